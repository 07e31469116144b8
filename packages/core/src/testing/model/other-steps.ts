import type * as FastCheck from 'fast-check'
import type { NewRow, Row, RowChanges } from '../../storage/task-store.ts'
import {
  getCall,
  killCall,
  pauseCall,
  purgeCall,
  removeCall,
  retryCall,
  takeCall,
  updateCall,
  watchCall,
} from './admin-calls.ts'
import type { Call } from './call.ts'
import { insertCall } from './producer-calls.ts'
import type { Reference } from './reference.ts'
import {
  always,
  batchQueue,
  delayOf,
  type Fc,
  ids,
  mostly,
  onceIn,
  onlyIf,
  queueOf,
  type Step,
  type Steps,
  unitMs,
  workerIn,
} from './step.ts'
import { leaveCall } from './worker-calls.ts'

/** What producers and administrators do, and time. */
export function otherSteps(fc: Fc): Steps {
  const queue = queueOf(fc)
  /** A call about a row in one of the statuses, or now and then about any id. */
  const about = <Answer>(
    weight: number,
    statuses: readonly Row['status'][],
    callOf: (queue: string, id: string) => Call<Answer>,
  ): Steps[number] => ({
    weight,
    arbitrary: fc
      .record({
        name: queue,
        id: fc.constantFrom(...ids),
        anyway: onceIn(fc, 4),
        lost: onceIn(fc, 8),
      })
      .map(({ name, id, anyway, lost }) => {
        const chosen = (reference: Reference): string | undefined => {
          const rows = reference.rows(name).filter(({ status }) => statuses.includes(status))
          return rows.at(ids.indexOf(id) % rows.length)?.id
        }
        return onlyIf(
          ({ reference }) => chosen(reference) !== undefined,
          anyway,
          (history) =>
            history.make(
              callOf(name, (anyway ? undefined : chosen(history.reference)) ?? id),
              lost,
            ),
        )
      }),
  })
  return [
    { weight: 20, arbitrary: insertsOf(fc) },
    { weight: 1, arbitrary: batchesOf(fc) },
    {
      weight: 14,
      arbitrary: fc
        .constantFrom(1, 1, 2, 3)
        .map((units) => always(({ trial }) => trial.advance(units * unitMs))),
    },
    about(7, ['pending', 'running', 'failed'], killCall),
    about(3, ['running'], takeCall),
    about(4, ['pending', 'running', 'failed', 'done', 'killed'], removeCall),
    about(5, ['killed'], (name, id) => retryCall(name, id, true)),
    about(5, ['killed'], (name, id) => retryCall(name, id, false)),
    about(1, [], (name) => watchCall(name, ids)),
    about(1, [], (name) => getCall(name, ids)),
    { weight: 6, arbitrary: updatesOf(fc) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(queue, mostly(fc, false, true))
        .map(([name, on]) => always((history) => history.make(pauseCall(name, on)))),
    },
    { weight: 9, arbitrary: purgesOf(fc) },
  ]
}

function insertsOf(fc: Fc): FastCheck.Arbitrary<Step> {
  return fc
    .record({
      queue: queueOf(fc),
      rows: fc.array(rowsOf(fc), { minLength: 1, maxLength: 4 }),
      onlyNew: onceIn(fc, 4),
      lost: onceIn(fc, 8),
    })
    .map(({ queue, rows, onlyNew, lost }) =>
      always((history) => {
        const { now } = history.trial
        const made = rows.map((row) => row(now))
        return history.make(insertCall(queue, made, onlyNew), lost)
      }),
    )
}

/** Of one of the statuses that there are. */
function purgesOf(fc: Fc): FastCheck.Arbitrary<Step> {
  const ends = ['done', 'killed'] as const
  return fc
    .record({
      queue: queueOf(fc),
      which: fc.nat({ max: 1 }),
      olderThanMs: fc.constantFrom(0, 0, unitMs, 2 * unitMs),
      limit: fc.constantFrom(1, 100),
    })
    .map(({ queue, which, ...options }) => {
      const found = (reference: Reference): readonly ('done' | 'killed')[] =>
        ends.filter((status) => reference.count(queue)[status] > 0)
      return onlyIf(
        ({ reference }) => found(reference).length > 0,
        false,
        (history) => {
          const statuses = found(history.reference)
          const status = statuses[which % statuses.length] ?? 'done'
          return history.make(purgeCall(queue, { status, ...options }))
        },
      )
    })
}

/** More rows than anybody would store, claim or settle one by one; some may be there from an earlier time. */
function batchesOf(fc: Fc): FastCheck.Arbitrary<Step> {
  return fc
    .record({
      first: fc.nat({ max: 40 }),
      count: fc.integer({ min: 20, max: 60 }),
      left: fc.nat({ max: 2 }),
    })
    .map(({ first, count, left }) =>
      always(async (history) => {
        const rows = Array.from({ length: count }, (_, index): NewRow => {
          return { id: `m${first + index}`, args: '1', priority: 0, attempts: 5 }
        })
        await history.make(insertCall(batchQueue, rows, false))
        const worker = workerIn(batchQueue)
        await history.enlist(worker)
        await history.claim(worker, count, 1)
        const settlements = history.open
          .filter((claim) => claim.worker === worker)
          .map(({ id, epoch }) => ({ id, epoch, outcome: { type: 'done' } as const }))
          .slice(left)
        await history.settle(worker, settlements)
        await history.make(leaveCall(worker))
        await history.trial.advance(unitMs)
        await history.make(purgeCall(batchQueue, { status: 'done', olderThanMs: 0, limit: count }))
      }),
    )
}

/** A row to insert at a time that is known only then. */
function rowsOf(fc: Fc): FastCheck.Arbitrary<(now: number) => NewRow> {
  return fc
    .record(
      {
        id: fc.constantFrom(...ids),
        args: fc.constantFrom('1', '"ž\\u0000🐎"', `"${'x'.repeat(2_000)}"`),
        priority: fc.integer({ min: -1, max: 1 }),
        attempts: fc.constantFrom(1, 5),
        due: dueOf(fc),
        uniqueKey: fc.constantFrom('k', 'l'),
        uniqueForMs: fc.constantFrom(undefined, unitMs, 3 * unitMs),
        metadata: fc.constant({ tenant: 't' }),
        timeoutMs: fc.constant(100),
      },
      { requiredKeys: ['id', 'args', 'priority', 'attempts'] },
    )
    .map(({ due, uniqueForMs, ...row }) => {
      const window = row.uniqueKey !== undefined && uniqueForMs !== undefined && { uniqueForMs }
      return (now: number): NewRow => ({ ...row, ...window, ...due?.(now) })
    })
}

function updatesOf(fc: Fc): FastCheck.Arbitrary<Step> {
  return fc
    .record({
      queue: queueOf(fc),
      id: fc.constantFrom(...ids),
      changes: fc.record(
        {
          args: fc.constantFrom('2', `"${'y'.repeat(2_000)}"`),
          priority: fc.integer({ min: -1, max: 1 }),
          due: dueOf(fc),
          metadata: fc.constant({ changed: 'yes' }),
        },
        { requiredKeys: [] },
      ),
    })
    .map(({ queue, id, changes: { due, ...others } }) =>
      always((history) => {
        const changes: RowChanges = { ...others, ...due?.(history.trial.now) }
        return history.make(updateCall(queue, id, changes))
      }),
    )
}

/** When a row is due: after a delay, or at an instant, which may have passed. */
function dueOf(
  fc: Fc,
): FastCheck.Arbitrary<(now: number) => Pick<NewRow, 'delayMs'> | Pick<NewRow, 'runAt'>> {
  return fc.oneof(
    delayOf(fc).map((delayMs) => () => ({ delayMs })),
    fc.constantFrom(-1, 0, 2).map((units) => (now: number) => ({ runAt: now + units * unitMs })),
  )
}
