import type { StoredError } from '../../errors/stored-error.ts'
import { knownKeys, OptionError, wholeNumber } from '../../internal/validate.ts'
import { checkClock, type Clock, systemClock } from '../../time/clock.ts'
import type {
  Changed,
  Claimed,
  ClaimOptions,
  Counts,
  Inserted,
  InsertOptions,
  ListFilter,
  NewRow,
  PurgeOptions,
  QueueState,
  Rescued,
  RescueOptions,
  Retried,
  Row,
  RowChanges,
  StoreBeat,
  StoreSettled,
  StoreSettlement,
  StoreSignal,
  StoreWorker,
  TaskStore,
  WorkerRef,
  WorkerRow,
} from '../task-store.ts'
import { MemoryQueue } from './memory-queue.ts'
import { wholeRow } from './memory-row.ts'
import type { QueueLog } from './queue-rows.ts'
import { killRow, listRows, removeRow, retryRow, takeRow, updateRow } from './row-changes.ts'
import { Signals } from './signals.ts'

/** How a {@link MemoryStore} keeps rows. */
export interface MemoryStoreOptions {
  /** What due times and leases are judged by: its wall clock. @default systemClock */
  readonly clock?: Clock
  /** How many finished rows of each queue are kept. @default 1000 */
  readonly keepFinished?: number
  /** @internal Hears what changes, of each queue: for a store that keeps a copy elsewhere. */
  readonly log?: (queue: string) => QueueLog
}

/**
 * The reference implementation of every primitive, in this process's memory. Each call does all of its work before it
 * answers with a promise, so that no other call ever sees half of it. Beyond `keepFinished` the rows of a queue that
 * ended first are forgotten as others end, except those awaited for a minute after their end and those that hold a unique
 * key with a time of its own.
 */
export class MemoryStore implements TaskStore {
  readonly #clock: Clock
  readonly #keepFinished: number
  readonly #queues = new Map<string, MemoryQueue>()
  readonly #signals = new Signals()
  readonly #log: ((queue: string) => QueueLog) | undefined

  constructor(options: MemoryStoreOptions = {}) {
    knownKeys('MemoryStore', options, ['clock', 'keepFinished', 'log'])
    // Not in the signature: declarations leave out what is internal.
    const { clock = systemClock, keepFinished = 1000, log } = options
    this.#clock = checkClock('storage.clock', clock)
    this.#keepFinished = wholeNumber('keepFinished', keepFinished)
    this.#log = log
  }

  /** @internal Its queues; one that is not there is made, for rows to be restored to. */
  kept(): Iterable<MemoryQueue>
  kept(name: string): MemoryQueue
  kept(name?: string): MemoryQueue | Iterable<MemoryQueue> {
    if (name === undefined) return this.#queues.values()
    return this.#queues.get(name) ?? this.#open(name)
  }

  async insert(
    queue: string,
    rows: readonly NewRow[],
    { within, refuseExisting = false }: InsertOptions = {},
  ): Promise<readonly Inserted[]> {
    // It does not compile. Where nothing is compiled it must not be stored outside of the transaction.
    if (within !== undefined)
      throw new OptionError('within', within, 'none: memory has no transactions')
    return this.#on(queue, (target, now) => target.insert(rows, refuseExisting, now))
  }

  async register(worker: StoreWorker): Promise<void> {
    this.#on(worker.queue, (target, now) => target.rows.incarnations.register(worker, now))
  }

  async claim(worker: WorkerRef, limit: number, options: ClaimOptions): Promise<Claimed> {
    return this.#on(worker.queue, (target, now) => target.claim(worker.id, limit, options, now))
  }

  async settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
  ): Promise<readonly StoreSettled[]> {
    return this.#on(worker.queue, (target, now) => target.settle(worker.id, settlements, now))
  }

  async exchange(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    options: ClaimOptions,
  ): Promise<{ readonly settled: readonly StoreSettled[]; readonly claimed: Claimed }> {
    return this.#on(worker.queue, (target, now) => {
      // A lost lease fails the exchange before it has written anything.
      target.rows.incarnations.live(worker.id, now)
      const settled = target.settle(worker.id, settlements, now)
      return { settled, claimed: target.claim(worker.id, limit, options, now) }
    })
  }

  async beat(worker: WorkerRef): Promise<StoreBeat> {
    return this.#on(worker.queue, (target, now) => target.beat(worker.id, now))
  }

  async rescue(queue: string, limit: number, options: RescueOptions): Promise<readonly Rescued[]> {
    return this.#on(queue, (target, now) => target.rescue(limit, options, now))
  }

  async leave(worker: WorkerRef): Promise<void> {
    this.#on(worker.queue, (target) => target.leave(worker.id))
  }

  async listen(onSignal: (signal: StoreSignal) => void): Promise<AsyncDisposable> {
    return this.#signals.listen(onSignal)
  }

  async watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#on(queue, ({ rows }) =>
      ids.map((id) => {
        const row = rows.get(id)
        if (row === undefined) return undefined
        row.awaited = true
        return wholeRow(row)
      }),
    )
  }

  async get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#on(queue, ({ rows }) =>
      ids.map((id) => {
        const row = rows.get(id)
        return row && wholeRow(row)
      }),
    )
  }

  async list(queue: string, filter: ListFilter): Promise<readonly Row[]> {
    return this.#on(queue, ({ rows }) => listRows(rows, filter))
  }

  async count(queue: string): Promise<Counts> {
    return this.#on(queue, (target, now) => target.count(now))
  }

  async queues(): Promise<readonly QueueState[]> {
    return Array.from(this.#queues.values())
      .filter(({ rows, paused }) => rows.size > 0 || paused)
      .map(({ name, paused }) => ({ name, paused }))
  }

  async workers(queue?: string): Promise<readonly WorkerRow[]> {
    const now = this.#clock.now()
    return Array.from(this.#queues.values())
      .filter(({ name }) => queue === undefined || name === queue)
      .flatMap(({ name, rows }) => rows.incarnations.list(name, now))
  }

  async update(queue: string, id: string, changes: RowChanges): Promise<Changed> {
    return this.#on(queue, ({ rows }, now) => updateRow(rows, id, changes, now))
  }

  async kill(queue: string, id: string, error: StoredError): Promise<boolean> {
    return this.#on(queue, ({ rows }, now) => killRow(rows, id, error, now))
  }

  async take(queue: string, id: string): Promise<boolean> {
    return this.#on(queue, ({ rows }) => takeRow(rows, id))
  }

  async retry(
    queue: string,
    id: string,
    options: { readonly resetAttempts: boolean },
  ): Promise<Retried> {
    return this.#on(queue, ({ rows }, now) => retryRow(rows, id, options, now))
  }

  async remove(queue: string, id: string): Promise<Changed> {
    return this.#on(queue, ({ rows }) => removeRow(rows, id))
  }

  async pause(queue: string, on: boolean): Promise<void> {
    this.#on(queue, (target) => target.pause(on))
  }

  async purge(queue: string, options: PurgeOptions): Promise<number> {
    return this.#on(queue, ({ rows }, now) => rows.finished.purge(options, now))
  }

  /** One call: all of it at one instant, then its signals. A queue exists while there is something to keep. */
  #on<Answer>(name: string, call: (queue: MemoryQueue, now: number) => Answer): Answer {
    const queue = this.#queues.get(name) ?? this.#open(name)
    try {
      return call(queue, this.#clock.now())
    } finally {
      if (queue.vacant) this.#queues.delete(name)
      this.#signals.flush()
    }
  }

  #open(name: string): MemoryQueue {
    const post = (type: StoreSignal['type'], id?: string): void =>
      this.#signals.post(type, name, id)
    const queue = new MemoryQueue(name, this.#keepFinished, post, this.#log?.(name))
    this.#queues.set(name, queue)
    return queue
  }
}
