import {
  type Beat,
  isCompleted,
  type Settled,
  type Settlement,
  type TaskStream,
} from '../backend/backend.ts'
import { isBackendError, EncodeError, isEncodeError } from '../errors/backend-errors.ts'
import { toStoredError } from '../errors/stored-error.ts'
import { channels, published } from '../service/diagnostics.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { Parts, QueueContext } from '../task/task.ts'
import type { ClaimsDeps } from './claims-deps.ts'
import { Heartbeat } from './heartbeat.ts'
import { Incarnation, whyStale } from './incarnation.ts'
import { QueueStream } from './queue-stream.ts'
import type { LedgerEntry } from './ledger.ts'
import { entryOf } from './rows.ts'
import type { StoreOutcome, StoreSettled, StoreSettlement } from './task-store.ts'

/** The part of a queue that serves workers: it hands out claims, keeps their leases, and settles them. */
export class Claims<Args, Result> {
  readonly #deps: ClaimsDeps<Args, Result>
  readonly #incarnations = new Map<string, Incarnation>()
  readonly #heartbeats = new Map<Incarnation, Heartbeat<Args, Result>>()
  /** Workers that have had an incarnation: a further one follows a lost lease. */
  readonly #begun = new WeakSet<WorkerContext>()

  constructor(deps: ClaimsDeps<Args, Result>) {
    this.#deps = deps
  }

  /** The tasks of the worker's current incarnation. */
  poll(worker: WorkerContext): TaskStream<Args, QueueContext> {
    return new QueueStream(this.#deps, this.#incarnation(worker), (unstarted) =>
      this.settle(unstarted.map((task) => ({ task, outcome: { type: 'released', dueIn: 0 } }))),
    )
  }

  /** The beats of the worker's current incarnation. */
  heartbeat(worker: WorkerContext): AsyncIterable<Beat> {
    const incarnation = this.#incarnation(worker)
    // One an incarnation: after a failed beat the worker asks for it again.
    let heartbeat = this.#heartbeats.get(incarnation)
    if (heartbeat === undefined) {
      const late = this.#begun.has(worker)
      this.#begun.add(worker)
      const onLeft = (): void => {
        this.#heartbeats.delete(incarnation)
        this.#incarnations.delete(incarnation.ref.id)
      }
      heartbeat = new Heartbeat(this.#deps, incarnation, { late, onLeft })
      this.#heartbeats.set(incarnation, heartbeat)
    }
    const beats = heartbeat
    return { [Symbol.asyncIterator]: () => beats }
  }

  /** Ends claims. What cannot be stored is replaced by a kill that can; one such settlement does not harm the others. */
  async settle(settlements: readonly Settlement<Result>[]): Promise<readonly Settled[]> {
    const holder = holderOf(settlements[0])
    if (settlements.every((settlement) => holderOf(settlement) === holder)) {
      return this.#settleFor(holder, settlements)
    }
    const answers: Settled[] = settlements.map(() => 'stale')
    for (const [one, indexes] of Map.groupBy(settlements.keys(), (at) =>
      holderOf(settlements[at]),
    )) {
      const settled = await this.#settleFor(
        one,
        indexes.flatMap((index) => settlements[index] ?? []),
      )
      for (const [position, index] of indexes.entries()) {
        answers[index] = settled[position] ?? 'stale'
      }
    }
    return answers
  }

  #incarnation(worker: WorkerContext): Incarnation {
    let incarnation = this.#incarnations.get(worker.id)
    if (incarnation === undefined) {
      // Whatever the tasks are, an incarnation only moves them.
      incarnation = new Incarnation(this.#deps as unknown as ClaimsDeps<unknown, unknown>, worker)
      this.#incarnations.set(worker.id, incarnation)
    }
    return incarnation
  }

  #settleFor(
    holder: string,
    settlements: readonly Settlement<Result>[],
  ): Promise<readonly Settled[]> {
    return published(
      channels.settle,
      this.#deps.clock,
      () => this.#write(holder, settlements),
      ({ durationMs, ...went }) => ({
        queue: this.#deps.queue,
        incarnation: holder,
        tasks: settlements.map(({ task, outcome }, index) => {
          const answer = 'value' in went ? went.value[index] : undefined
          return {
            id: task.parts.taskId,
            epoch: claimOf(task.parts).epoch,
            outcome: outcome.type,
            ...(answer !== undefined && {
              answer: isCompleted(answer) ? ('completed' as const) : answer,
            }),
          }
        }),
        durationMs,
        ...('error' in went && { error: went.error }),
      }),
    )
  }

  async #write(
    holder: string,
    settlements: readonly Settlement<Result>[],
  ): Promise<readonly Settled[]> {
    const { queue, store } = this.#deps
    const incarnation = this.#incarnations.get(holder)
    const write: Write = (rows) =>
      incarnation?.trips.settle(rows) ?? store.settle({ id: holder, queue }, rows)
    const refused = new Map<number, EncodeError>()
    const entries: LedgerEntry[] = []
    const completed = new Map<string, LedgerEntry['completed']>()
    let mayRunAgain = false
    const rows = settlements.map(({ task: { parts }, outcome }, index): StoreSettlement => {
      const { epoch } = claimOf(parts)
      const entry = entryOf(parts)
      if (entry !== undefined) {
        entry.carried = true
        entries.push(entry)
        if (entry.completed !== undefined) completed.set(entry.id, entry.completed)
      }
      if (outcome.type === 'released' || outcome.type === 'failed') mayRunAgain = true
      const encoded = this.#encode(outcome)
      if (!(encoded instanceof EncodeError)) return { id: parts.taskId, epoch, outcome: encoded }
      refused.set(index, encoded)
      return { id: parts.taskId, epoch, outcome: killed(encoded) }
    })
    const stored = await storeAll(write, rows)
    for (const entry of entries) incarnation?.ended(entry)
    // A claim that went beside it may have found nothing, and knows nothing of when these are due.
    if (mayRunAgain) this.#deps.channel.wake()
    return refused.size === 0 && !stored.includes('stale')
      ? stored
      : this.#answers(rows, stored, { refused, completed })
  }

  async #answers(
    rows: readonly StoreSettlement[],
    stored: readonly (StoreSettled | EncodeError)[],
    {
      refused,
      completed,
    }: {
      readonly refused: ReadonlyMap<number, EncodeError>
      readonly completed: ReadonlyMap<string, LedgerEntry['completed']>
    },
  ): Promise<readonly Settled[]> {
    const stale = rows
      .filter((_, index) => stored[index] === 'stale')
      .map(({ id, epoch }) => ({ id, epoch, completed: completed.get(id) }))
    const why = stale.length === 0 ? [] : await whyStale(this.#deps, stale)
    const reasons = new Map(why.map((reason, at) => [stale[at]?.id, reason]))
    return rows.map(({ id }, index): Settled => {
      const settled = stored[index] ?? 'stale'
      if (settled !== 'stale') return refused.get(index) ?? settled
      const reason = reasons.get(id)
      if (reason === 'completed') return { completed: completed.get(id)?.result }
      return reason === 'cancelled' ? 'cancelled' : 'stale'
    })
  }

  #encode(outcome: Settlement<Result>['outcome']): StoreOutcome | EncodeError {
    switch (outcome.type) {
      case 'done': {
        try {
          const result = this.#deps.encodeResult(outcome.result)
          return result === undefined ? { type: 'done' } : { type: 'done', result }
        } catch (error) {
          if (isEncodeError(error)) return error
          return new EncodeError('cannot encode the result', { cause: error })
        }
      }
      case 'failed':
        return {
          type: 'failed',
          error: toStoredError(outcome.error),
          retryInMs: outcome.retryIn,
        }
      case 'killed':
        return killed(outcome.error)
      case 'released':
        return {
          type: 'released',
          dueInMs: outcome.dueIn,
          ...(outcome.error === undefined ? {} : { error: toStoredError(outcome.error) }),
        }
    }
  }
}

type Write = (rows: readonly StoreSettlement[]) => Promise<readonly StoreSettled[]>

/** Settles rows together; what is at fault when that fails for good is found by halving. */
async function storeAll(
  write: Write,
  rows: readonly StoreSettlement[],
): Promise<readonly (StoreSettled | EncodeError)[]> {
  try {
    return await write(rows)
  } catch (error) {
    if (!isBackendError(error) || error.transient) throw error
    const [only] = rows
    if (only === undefined) return []
    if (rows.length === 1) return [await storeKilled(write, only, error)]
    const middle = Math.ceil(rows.length / 2)
    const left = await storeAll(write, rows.slice(0, middle))
    const right = await storeAll(write, rows.slice(middle))
    return [...left, ...right]
  }
}

async function storeKilled(
  write: Write,
  row: StoreSettlement,
  cause: Error,
): Promise<StoreSettled | EncodeError> {
  const error = new EncodeError(`cannot store how task ${row.id} ended: ${cause.message}`, {
    cause,
  })
  const [settled] = await write([{ ...row, outcome: killed(error) }])
  return settled === 'stale' ? 'stale' : error
}

function killed(error: unknown): StoreOutcome {
  return { type: 'killed', error: toStoredError(error) }
}

/** Under which claim a task was handed out. */
function claimOf(parts: Parts): Pick<QueueContext, 'epoch' | 'lockedBy'> {
  // Every task of a queue carries a QueueContext; it made them.
  return entryOf(parts) ?? (parts.context as QueueContext)
}

function holderOf(settlement: Settlement | undefined): string {
  return (settlement && claimOf(settlement.task.parts).lockedBy) ?? ''
}
