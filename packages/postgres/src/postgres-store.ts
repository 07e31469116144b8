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
  StoredError,
  StoreSettled,
  StoreSettlement,
  StoreSignal,
  StoreWorker,
  TaskStore,
  WorkerRef,
  WorkerRow,
} from '@apalis/core'
import { killRow, pauseQueue, removeRow, retryRow, takeRow, updateRow } from './changes.ts'
import type { PostgresTransaction } from './client.ts'
import { exchange, type Exchanged, roundTrip } from './exchange.ts'
import { Hearing, type HearingDeps } from './hearing.ts'
import { insertRows } from './insert.ts'
import { beat, leave, registerWorker, rescueRows } from './leases.ts'
import { toBackendError } from './postgres-errors.ts'
import { purgeRows } from './purge.ts'
import { countRows, getRows, listRows, readQueues, readWorkers, watchRows } from './reading.ts'
import type { Session } from './session.ts'
import { dueMessage } from './signals.ts'

/** The primitives of a storage in PostgreSQL: each one call of a function in its schema. */
export class PostgresStore implements TaskStore<PostgresTransaction> {
  readonly #deps: HearingDeps
  readonly #hearing: Hearing
  /** Queues that were stored outside of any transaction of the caller's. */
  readonly #opened = new Set<string>()
  #closing: Promise<void> | undefined

  constructor(deps: HearingDeps) {
    this.#deps = deps
    this.#hearing = new Hearing(deps)
  }

  async insert(
    queue: string,
    rows: readonly NewRow[],
    options: InsertOptions<PostgresTransaction> = {},
  ): Promise<readonly Inserted[]> {
    if (options.within !== undefined) await this.#open(queue, options.within)
    const inserted = await insertRows(this.#session, queue, rows, {
      ...options,
      tell: options.within === undefined ? null : dueMessage(queue),
    })
    if (options.within === undefined && inserted.some(({ existing }) => !existing)) {
      this.#hearing.signals.tell([{ type: 'due', queue }])
    }
    return inserted
  }

  register(worker: StoreWorker): Promise<void> {
    return registerWorker(this.#session, worker)
  }

  async claim(worker: WorkerRef, limit: number, { suspects }: ClaimOptions): Promise<Claimed> {
    const call = { operation: 'claim', worker, limit, suspects }
    return (await roundTrip(this.#session, call)).claimed
  }

  async settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    { within }: { readonly within?: PostgresTransaction } = {},
  ): Promise<readonly StoreSettled[]> {
    const call = { operation: 'settle', worker, settlements, within }
    return (await roundTrip(this.#session, call)).settled
  }

  exchange(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    { suspects }: ClaimOptions,
  ): Promise<Exchanged> {
    return exchange(this.#session, { operation: 'exchange', worker, settlements, limit, suspects })
  }

  async beat(worker: WorkerRef): Promise<StoreBeat> {
    const answer = await beat(this.#session, worker)
    this.#hearing.told(worker.queue, answer.paused)
    return answer
  }

  rescue(queue: string, limit: number, options: RescueOptions): Promise<readonly Rescued[]> {
    return rescueRows(this.#session, queue, limit, options)
  }

  leave(worker: WorkerRef): Promise<void> {
    return leave(this.#session, worker)
  }

  async listen(
    onSignal: (signal: StoreSignal) => boolean | void,
    onEnd: (error: unknown) => void = () => {},
  ): Promise<AsyncDisposable> {
    const remove = this.#hearing.signals.add(onSignal)
    try {
      const heard = await this.#hearing.begin((error) => {
        remove()
        onEnd(toBackendError('listen', error))
      })
      return {
        [Symbol.asyncDispose]: async () => {
          remove()
          await heard[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      remove()
      throw toBackendError('listen', error)
    }
  }

  watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return watchRows(this.#session, queue, ids, () => this.#hearing.watch(queue, ids))
  }

  get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return getRows(this.#session, queue, ids)
  }

  list(queue: string, filter: ListFilter): Promise<readonly Row[]> {
    return listRows(this.#session, queue, filter)
  }

  count(queue: string): Promise<Counts> {
    return countRows(this.#session, queue)
  }

  queues(): Promise<readonly QueueState[]> {
    return readQueues(this.#session)
  }

  workers(queue?: string): Promise<readonly WorkerRow[]> {
    return readWorkers(this.#session, queue)
  }

  update(queue: string, id: string, changes: RowChanges): Promise<Changed> {
    return updateRow(this.#session, queue, id, changes)
  }

  kill(queue: string, id: string, error: StoredError): Promise<boolean> {
    return killRow(this.#session, queue, id, error)
  }

  take(queue: string, id: string): Promise<boolean> {
    return takeRow(this.#session, queue, id)
  }

  retry(queue: string, id: string, options: { readonly resetAttempts: boolean }): Promise<Retried> {
    return retryRow(this.#session, queue, id, options)
  }

  remove(queue: string, id: string): Promise<Changed> {
    return removeRow(this.#session, queue, id)
  }

  pause(queue: string, on: boolean): Promise<void> {
    return pauseQueue(this.#session, queue, on)
  }

  purge(queue: string, options: PurgeOptions): Promise<number> {
    return purgeRows(this.#session, queue, options)
  }

  /** Frees what is the storage's own; the connection, pool or database that the caller gave stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#hearing.close().then(() => this.#deps.link.close())
    return this.#closing
  }

  get #session(): Session {
    const { calls, clockOffset } = this.#deps
    return {
      calls,
      offset: clockOffset(),
      tell: (signals) => this.#hearing.signals.tell(signals),
    }
  }

  /** Stores the queue's name by itself: in a transaction of the caller's it would be in everybody's way until that ends. */
  async #open(queue: string, within: PostgresTransaction): Promise<void> {
    const { calls, link } = this.#deps
    // Where there is nobody else it is in nobody's way.
    if (link.oneSession === true || this.#opened.has(queue)) return
    // One that the transaction has stored itself would be waited for until it ends.
    const sees = await calls.seesQueue('insert', queue, within)
    if (sees === 'never') return
    if (sees === 'no') await calls.call('insert', 'queue_1', [queue])
    this.#opened.add(queue)
  }
}
