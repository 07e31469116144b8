import {
  BackendError,
  type Changed,
  type Claimed,
  type ClaimOptions,
  type Clock,
  type Counts,
  type Inserted,
  type InsertOptions,
  type ListFilter,
  type NewRow,
  type PurgeOptions,
  type QueueState,
  type Rescued,
  type RescueOptions,
  type Retried,
  type Row,
  type RowChanges,
  sleep,
  type StoreBeat,
  type StoredError,
  type StoreSettled,
  type StoreSettlement,
  type StoreSignal,
  type StoreWorker,
  systemClock,
  type TaskStore,
  turn,
  type WorkerRef,
  type WorkerRow,
} from '@apalis/core'
import { withinTransaction } from './caller-transaction.ts'
import { killRow, pauseQueue, removeRow, retryRow, takeRow, updateRow } from './changes.ts'
import { claimRows, liveLease } from './claim.ts'
import type { SqliteTransaction } from './client.ts'
import type { Database } from './database.ts'
import { insertNewRows, insertRows } from './insert.ts'
import { beat, leave, registerWorker, rescueRows } from './leases.ts'
import { Maintenance } from './maintenance.ts'
import { purgeRows } from './purge.ts'
import {
  countRows,
  listRows,
  type Page,
  readQueues,
  readRow,
  readWorkers,
  watchRow,
} from './reading.ts'
import type { StoredRow } from './rows.ts'
import type { Reading, Session } from './session.ts'
import { settleRows } from './settle.ts'
import { Signals } from './signals.ts'
import { isBusy, toBackendError } from './sqlite-errors.ts'
import { Transactions } from './transactions.ts'

/** A store over a connection. */
export interface SqliteStoreDeps {
  readonly database: Database
  readonly clock: Clock
  /** How long a call may wait for a lock that another connection has, in milliseconds. */
  readonly lockTimeoutMs: number
}

/** The pause before what could not be read is read again. */
const READ_AGAIN_MS = 5

/** What a process that ends with the power has no need of when that comes back. */
const UNTIL_POWER_CUT = { durable: false } as const

/** The primitives of a storage in an SQLite file. */
export class SqliteStore implements TaskStore<SqliteTransaction> {
  readonly #database: Database
  readonly #clock: Clock
  readonly #lockTimeoutMs: number
  readonly #signals: Signals
  readonly #transactions: Transactions
  readonly #maintenance: Maintenance
  #closing: Promise<void> | undefined

  constructor({ database, clock, lockTimeoutMs }: SqliteStoreDeps) {
    this.#database = database
    this.#clock = clock
    this.#lockTimeoutMs = lockTimeoutMs
    this.#signals = new Signals(database)
    this.#transactions = new Transactions({
      database,
      now: () => clock.now(),
      lockTimeoutMs,
      committed: (signals) => {
        this.#signals.tell(signals)
        this.#maintenance.boundLog()
      },
    })
    this.#maintenance = new Maintenance(database, this.#transactions)
  }

  insert(
    queue: string,
    rows: readonly NewRow[],
    { within, refuseExisting = false }: InsertOptions<SqliteTransaction> = {},
  ): Promise<readonly Inserted[]> {
    const insert = refuseExisting ? insertNewRows : insertRows
    return this.#write(within, 'insert', (session) => insert(session, queue, rows))
  }

  register(worker: StoreWorker): Promise<void> {
    return this.#transactions.write(
      'register',
      (session) => registerWorker(session, worker),
      UNTIL_POWER_CUT,
    )
  }

  claim(worker: WorkerRef, limit: number, { suspects }: ClaimOptions): Promise<Claimed> {
    return this.#transactions.write(
      'claim',
      (session) => claimRows(session, liveLease(session, worker), limit, suspects),
      UNTIL_POWER_CUT,
    )
  }

  settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    { within }: { readonly within?: SqliteTransaction } = {},
  ): Promise<readonly StoreSettled[]> {
    return this.#write(within, 'settle', (session) => settleRows(session, worker, settlements))
  }

  exchange(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    { suspects }: ClaimOptions,
  ): Promise<{ readonly settled: readonly StoreSettled[]; readonly claimed: Claimed }> {
    return this.#transactions.write('exchange', (session) => {
      // A lost lease fails the exchange before it has written anything.
      const lease = liveLease(session, worker)
      const settled = settleRows(session, worker, settlements)
      return { settled, claimed: claimRows(session, lease, limit, suspects) }
    })
  }

  beat(worker: WorkerRef): Promise<StoreBeat> {
    return this.#transactions.write('beat', (session) => beat(session, worker), UNTIL_POWER_CUT)
  }

  rescue(queue: string, limit: number, options: RescueOptions): Promise<readonly Rescued[]> {
    return this.#transactions.write('rescue', (session) =>
      rescueRows(session, queue, limit, options),
    )
  }

  leave(worker: WorkerRef): Promise<void> {
    return this.#transactions.write('leave', (session) => leave(session, worker))
  }

  listen(
    onSignal: (signal: StoreSignal) => void,
    onEnd?: (error: unknown) => void,
  ): Promise<AsyncDisposable> {
    return this.#read('listen', () => this.#signals.listen(onSignal, onEnd))
  }

  async watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    const found = await this.#read('watch', (reading) =>
      ids.map((id) => readRow(reading, queue, id)),
    )
    // Most are watched once and read again: only the first time is there anything to write.
    if (!found.some((one) => one !== undefined && needsMark(one))) {
      return found.map((one) => one?.row)
    }
    return this.#transactions.write(
      'watch',
      (session) => ids.map((id) => watchRow(session, queue, id)),
      UNTIL_POWER_CUT,
    )
  }

  get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#read('get', (reading) => ids.map((id) => readRow(reading, queue, id)?.row))
  }

  async list(queue: string, filter: ListFilter): Promise<readonly Row[]> {
    const page: Page = { rows: [], after: Number.MIN_SAFE_INTEGER, skip: filter.offset }
    while (await this.#read('list', (reading) => listRows(reading, queue, filter, page))) {
      await turn()
    }
    return page.rows
  }

  count(queue: string): Promise<Counts> {
    return this.#read('count', (reading) => countRows(reading, queue))
  }

  queues(): Promise<readonly QueueState[]> {
    return this.#read('list queues', readQueues)
  }

  workers(queue?: string): Promise<readonly WorkerRow[]> {
    return this.#read('list workers', (reading) => readWorkers(reading, queue))
  }

  update(queue: string, id: string, changes: RowChanges): Promise<Changed> {
    return this.#transactions.write('update', (session) => updateRow(session, queue, id, changes))
  }

  kill(queue: string, id: string, error: StoredError): Promise<boolean> {
    return this.#transactions.write('kill', (session) => killRow(session, queue, id, error))
  }

  take(queue: string, id: string): Promise<boolean> {
    return this.#transactions.write('take', (session) => takeRow(session, queue, id))
  }

  retry(queue: string, id: string, options: { readonly resetAttempts: boolean }): Promise<Retried> {
    return this.#transactions.write('retry', (session) => retryRow(session, queue, id, options))
  }

  remove(queue: string, id: string): Promise<Changed> {
    return this.#transactions.write('remove', (session) => removeRow(session, queue, id))
  }

  pause(queue: string, on: boolean): Promise<void> {
    return this.#transactions.write('pause', (session) => pauseQueue(session, queue, on))
  }

  async purge(queue: string, options: PurgeOptions): Promise<number> {
    const purged = await this.#transactions.write(
      'purge',
      (session) => purgeRows(session, queue, options),
      UNTIL_POWER_CUT,
    )
    if (purged > 0) await this.#maintenance.shrink()
    return purged
  }

  /** Writes what is under way, brings the log into the file where nobody else uses it, and closes the connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#signals.close()
    await this.#transactions.idle()
    this.#maintenance.close()
    this.#database.client.close()
  }

  /** In a transaction of the caller's, where there is one: then it is done before this returns. */
  #write<Answer>(
    within: SqliteTransaction | undefined,
    operation: string,
    work: (session: Session) => Answer,
  ): Promise<Answer> {
    if (within === undefined) return this.#transactions.write(operation, work)
    return new Promise((resolve) => {
      const call = { operation, now: this.#clock.now() }
      resolve(withinTransaction(this.#database, within, call, work))
    })
  }

  /** Reads what was committed. */
  async #read<Answer>(operation: string, work: (reading: Reading) => Answer): Promise<Answer> {
    const { path } = this.#database
    const until = systemClock.monotonic() + this.#lockTimeoutMs
    for (;;) {
      const problem = this.#database.problem()
      if (problem !== undefined) {
        throw new BackendError(operation, `${path}: ${problem}`, { applied: 'no' })
      }
      try {
        return work(this.#database.session(this.#clock.now()))
      } catch (error) {
        // Readers wait for nobody, save for one who recovers or closes the file at this moment.
        if (!isBusy(error) || systemClock.monotonic() >= until) {
          throw toBackendError(operation, error, { path, applied: 'no' })
        }
      }
      await sleep(systemClock, READ_AGAIN_MS)
    }
  }
}

function needsMark({ row, awaited }: StoredRow): boolean {
  return !awaited && row.status !== 'done' && row.status !== 'killed'
}
