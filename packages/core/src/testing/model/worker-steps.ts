import type * as FastCheck from 'fast-check'
import type { StoreOutcome, StoreSettlement, WorkerRef } from '../../storage/task-store.ts'
import { failure } from './call.ts'
import type { KnownClaim } from './history.ts'
import {
  always,
  delayOf,
  type Fc,
  leaseMs,
  mostly,
  onceIn,
  onlyIf,
  queueOf,
  type Step,
  type Steps,
  unitMs,
  workerOf,
} from './step.ts'
import { beatCall, leaveCall, registerCall, rescueCall } from './worker-calls.ts'

/** What workers do, and what becomes of them. */
export function workerSteps(fc: Fc): Steps {
  const worker = workerOf(fc)
  const limit = fc.integer({ min: 1, max: 4 })
  const lost = onceIn(fc, 8)
  return [
    { weight: 18, arbitrary: claimsOf(fc) },
    { weight: 22, arbitrary: settlesOf(fc) },
    { weight: 4, arbitrary: exchangesOf(fc) },
    {
      weight: 2,
      arbitrary: fc.tuple(worker, fc.constantFrom(leaseMs, 5 * unitMs)).map(([one, lease]) => {
        const call = registerCall({ ...one, leaseMs: lease })
        return always((history) => history.make(call))
      }),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(worker, lost)
        .map(([one, again]) => always((history) => history.make(beatCall(one), again))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(worker, lost)
        .map(([one, again]) => always((history) => history.make(leaveCall(one), again))),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(queueOf(fc), mostly(fc, 100, 1, 2), lost, onceIn(fc, 6))
        .map(([queue, most, again, anyway]) =>
          onlyIf(
            ({ reference }) => reference.abandoned(queue).length > 0,
            anyway,
            (history) => history.make(rescueCall(queue, most), again),
          ),
        ),
    },
    {
      weight: 3,
      arbitrary: worker.map((one) =>
        onlyIf(
          ({ reference }) => reference.held(one).length > 0,
          false,
          (history) => history.die(one, unitMs),
        ),
      ),
    },
    {
      // More errors than a row keeps.
      weight: 1,
      arbitrary: fc.tuple(worker, fc.nat({ max: 12 })).map(([one, times]) =>
        onlyIf(
          ({ reference }) => reference.due(one.queue).length > 0,
          false,
          async (history) => {
            const outcome: StoreOutcome = { type: 'failed', error: failure, retryInMs: 0 }
            for (let left = times; left > 0; left -= 1) {
              await history.enlist(one)
              await history.claim(one, 1, 1)
              const { open } = history
              const claim = open.findLast((known) => known.worker === one)
              if (claim === undefined) return
              await history.settle(one, [{ id: claim.id, epoch: claim.epoch, outcome }])
            }
          },
        ),
      ),
    },
    {
      // As a process ends that runs what kills it: its tasks come nearer to their last death.
      weight: 8,
      arbitrary: fc.tuple(worker, limit).map(([one, most]) =>
        onlyIf(
          ({ reference }) => reference.due(one.queue).length > 0,
          false,
          async (history) => {
            await history.enlist(one)
            await history.claim(one, most, 1)
            await history.die(one, unitMs)
            await history.make(rescueCall(one.queue, 100))
          },
        ),
      ),
    },
  ]
}

function claimsOf(fc: Fc): FastCheck.Arbitrary<Step> {
  return fc
    .record({
      worker: workerOf(fc),
      limit: fc.integer({ min: 1, max: 4 }),
      suspects: fc.constantFrom<0 | 1>(1, 1, 1, 0),
      enlisted: mostly(fc, true, false),
      lost: onceIn(fc, 8),
      anyway: onceIn(fc, 8),
    })
    .map(({ worker, limit, suspects, enlisted, lost, anyway }) =>
      onlyIf(
        ({ reference }) => reference.due(worker.queue).length > 0,
        anyway,
        async (history) => {
          if (enlisted) await history.enlist(worker)
          await history.claim(worker, limit, suspects, lost)
        },
      ),
    )
}

/** How one of the claims so far ends, counted from the last. */
interface End {
  readonly back: number
  /** The epoch of the settlement, counted from that of the claim. */
  readonly epoch: number
  /** Whether the claim is the worker's own. */
  readonly own: boolean
  readonly outcome: StoreOutcome
}

function settlesOf(fc: Fc): FastCheck.Arbitrary<Step> {
  return fc
    .record({
      ends: endsOf(fc),
      old: onceIn(fc, 6),
      stranger: workerOf(fc),
      by: mostly(fc, 'own', 'stranger', 'both'),
      lost: onceIn(fc, 6),
    })
    .map(({ ends, old, stranger, by, lost }) => ({
      possible: ({ claims, open }) => (old ? claims : open).length > 0,
      async play(history) {
        const claims = old ? history.claims : history.open
        const { worker, settlements } = settlementsOf(claims, ends)
        if (by !== 'stranger') await history.settle(worker, settlements, lost)
        if (by !== 'own') await history.settle(stranger, settlements)
      },
    }))
}

function exchangesOf(fc: Fc): FastCheck.Arbitrary<Step> {
  return fc
    .record({ ends: endsOf(fc), limit: fc.integer({ min: 1, max: 4 }), lost: onceIn(fc, 6) })
    .map(({ ends, limit, lost }) => ({
      possible: ({ open, exchanges }) => exchanges && open.length > 0,
      async play(history) {
        const { worker, settlements } = settlementsOf(history.open, ends)
        await history.exchange(worker, settlements, limit, lost)
      },
    }))
}

function endsOf(fc: Fc): FastCheck.Arbitrary<readonly End[]> {
  return fc.array(
    fc.record({
      back: fc.nat({ max: 7 }),
      epoch: mostly(fc, 0, -1, 1),
      own: mostly(fc, true, false),
      outcome: outcomeOf(fc),
    }),
    { minLength: 1, maxLength: 2 },
  )
}

function outcomeOf(fc: Fc): FastCheck.Arbitrary<StoreOutcome> {
  const delay = delayOf(fc)
  return fc.oneof(
    fc.constantFrom<StoreOutcome>(
      { type: 'done' },
      { type: 'done', result: '"r"' },
      { type: 'killed', error: failure },
    ),
    delay.map((retryInMs): StoreOutcome => ({ type: 'failed', error: failure, retryInMs })),
    delay.map((dueInMs): StoreOutcome => ({ type: 'released', dueInMs })),
    delay.map((dueInMs): StoreOutcome => ({ type: 'released', dueInMs, error: failure })),
  )
}

/** What the holder of the first of these claims settles. */
function settlementsOf(
  claims: readonly KnownClaim[],
  ends: readonly End[],
): { readonly worker: WorkerRef; readonly settlements: readonly StoreSettlement[] } {
  const pick = (from: readonly KnownClaim[], { back }: End): KnownClaim | undefined =>
    from.at(-1 - (back % from.length))
  const [first] = ends
  const worker = first && pick(claims, first)?.worker
  if (worker === undefined) throw new RangeError('there is no claim to settle')
  const own = claims.filter((claim) => claim.worker === worker)
  // A claim that ends twice in one call is nothing that the contract speaks of.
  const settlements = new Map<string, StoreSettlement>()
  for (const end of ends) {
    const claim = pick(end === first || !end.own ? claims : own, end)
    if (claim === undefined) continue
    const { id, epoch } = { id: claim.id, epoch: claim.epoch + end.epoch }
    settlements.set(`${id}#${epoch}`, { id, epoch, outcome: end.outcome })
  }
  return { worker, settlements: Array.from(settlements.values()) }
}
