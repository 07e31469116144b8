import type { StoredError } from '../errors/stored-error.ts'
import type { Metadata } from '../task/metadata.ts'
import type { Status } from '../task/status.ts'

/**
 * What a storage author writes: compact rows, batches everywhere. `runAt` crosses as the instant the caller gave and is
 * judged by the storage's clock; everything else crosses as a duration in milliseconds, and no instant of the storage is
 * ever compared with the process's clock. A store throws `BackendError`; any other error counts as transient, with
 * unknown effect. claim, settle, beat and listen are repeated by core; an insert is not.
 */
export interface TaskStore<Tx = never> {
  /**
   * Stores all rows or none, in order. A row whose id exists, or whose unique key is held, is not stored and answers with
   * the holder's id and `existing: true`; also when the holder stands earlier in the same call. Its id counts before its key.
   * `refuseExisting`: answers the same, but stores nothing when any is taken (such calls travel alone).
   */
  insert(
    queue: string,
    rows: readonly NewRow[],
    options?: InsertOptions<Tx>,
  ): Promise<readonly Inserted[]>
  /** Begins the lease of an incarnation. Repeating it renews the lease. */
  register(worker: StoreWorker): Promise<void>
  /**
   * Claims due rows: by priority (larger first), `runAt`, order of insertion; none when the queue is paused. Each claim adds
   * one to `epoch` and `attempt`. Rows with {@link suspectRescues} rescues or more are suspects: at most `suspects` of them.
   * Throws `LeaseLostError` when the worker's lease is not live.
   */
  claim(worker: WorkerRef, limit: number, options: ClaimOptions): Promise<Claimed>
  /** Ends claims, each fenced by (id, epoch, worker) and the status `running`. Never throws for a stale one. Answers in order. */
  settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    options?: { readonly within?: Tx },
  ): Promise<readonly StoreSettled[]>
  /**
   * Settle and claim in one round trip. Throws `LeaseLostError` when the worker's lease is not live; whether it has settled
   * is the store's choice then. After a failure core settles alone.
   */
  exchange?(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    options: ClaimOptions,
  ): Promise<{ readonly settled: readonly StoreSettled[]; readonly claimed: Claimed }>
  /**
   * Renews the lease, also a lapsed one that nobody has swept, and tells what the storage knows: the only call an idle
   * worker makes. Throws `LeaseLostError` when the incarnation is not registered (any more).
   */
  beat(worker: WorkerRef): Promise<StoreBeat>
  /**
   * Takes at most `limit` running rows of the queue from workers without a live lease (their registration gone included),
   * after ending the leases of those workers. Each: `rescues` + 1, `attempt` - 1, pending and due as it was; or killed with
   * `poison` when `rescues` reaches `maxRescues`. Whose come first is the store's choice. Safe when two do it at once. Also
   * forgets lapsed workers that hold nothing.
   */
  rescue(queue: string, limit: number, options: RescueOptions): Promise<readonly Rescued[]>
  /** Releases what the worker holds (attempt back, due as it was), ends its lease. Does nothing for an unknown worker. */
  leave(worker: WorkerRef): Promise<void>
  /**
   * Calls back for what happens in any queue: hints, never truth. `onEnd`: what was listening has ended by itself, a
   * broken connection say; core then listens anew and does not dispose of it. Not called after the disposal. `onSignal`
   * answers true when somebody here waited for it: telling other processes may then come after what that leads to.
   */
  listen(
    onSignal: (signal: StoreSignal) => boolean | void,
    onEnd?: (error: unknown) => void,
  ): Promise<AsyncDisposable>
  /**
   * Reads rows and marks them awaited: only then does their end (settle, kill, rescue, remove) signal `settled`.
   * An awaited row is not purged by count for a minute after its end. In the order of `ids`; undefined where there is none.
   */
  watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]>
  /** Reads rows, in the order of `ids`; undefined where there is none. */
  get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]>
  /** A page of a queue's rows, in order of insertion. */
  list(queue: string, filter: ListFilter): Promise<readonly Row[]>
  /** How many rows there are. */
  count(queue: string): Promise<Counts>
  /** Every queue that has rows or is paused. */
  queues(): Promise<readonly QueueState[]>
  /** The registered incarnations of one queue, or of all. */
  workers(queue?: string): Promise<readonly WorkerRow[]>
  /** Changes a row that is pending or failed; `status` says what stood in the way of it otherwise, undefined: unknown id. */
  update(queue: string, id: string, changes: RowChanges): Promise<Changed>
  /** Kills a row in any unfinished status, at once. False: unknown or finished. */
  kill(queue: string, id: string, error: StoredError): Promise<boolean>
  /** Takes a running row from whoever holds it: pending, attempt back, due as it was. False: unknown or not running. */
  take(queue: string, id: string): Promise<boolean>
  /**
   * Makes a killed row pending and due now, `rescues` and `releases` 0, its unique key held again. Not when another holds
   * that; a key whose own time has passed is not held again, and in nobody's way.
   */
  retry(queue: string, id: string, options: { readonly resetAttempts: boolean }): Promise<Retried>
  /** Forgets a row that is not running. */
  remove(queue: string, id: string): Promise<Changed>
  /** Stops or starts the queue's claims, for every worker, durably. */
  pause(queue: string, on: boolean): Promise<void>
  /**
   * Forgets at most `limit` finished rows of the status: those that ended more than `olderThanMs` ago, oldest first;
   * what ended exactly so long ago goes or stays.
   * Rows that still hold a unique key stay. Answers how many went.
   */
  purge(queue: string, options: PurgeOptions): Promise<number>
  /** Frees what the store holds: connections, files, timers. */
  close?(): Promise<void>
}

/** From this many rescues on a row is a suspect: it may be what kills the processes it runs in. */
export const suspectRescues = 2

/** A row to store. */
export interface NewRow {
  readonly id: string
  readonly args: string
  readonly priority: number
  /** The most runs there may be. */
  readonly attempts: number
  /** The instant before which it is not due, in milliseconds since 1970. Not with `delayMs`. */
  readonly runAt?: number
  /** Due this long after the insert. Neither: due at once, `runAt` is the time of the insert. */
  readonly delayMs?: number
  readonly timeoutMs?: number
  readonly uniqueKey?: string
  /** The key is held until this long after the insert, whatever becomes of the task. Absent: until it is done, killed or removed. */
  readonly uniqueForMs?: number
  readonly metadata?: Metadata
}

/** How to insert. */
export interface InsertOptions<Tx = never> {
  /** The caller's transaction. */
  readonly within?: Tx
  readonly refuseExisting?: boolean
}

/** What became of a row to store. */
export interface Inserted {
  /** Of the stored row, or of the one that was there. */
  readonly id: string
  readonly existing: boolean
}

/** Who holds claims. */
export interface WorkerRef {
  /** The incarnation. */
  readonly id: string
  readonly queue: string
}

/** An incarnation to register. */
export interface StoreWorker extends WorkerRef {
  readonly name: string
  readonly leaseMs: number
  /** Names of its layers, outermost first. */
  readonly layers: readonly string[]
}

/** A registered incarnation. */
export interface WorkerRow extends StoreWorker {
  readonly startedAt: number
  readonly lastBeatAt: number
  /** Whether its lease has not lapsed. */
  readonly live: boolean
  /** How many rows it holds. */
  readonly held: number
}

/** How to claim. */
export interface ClaimOptions {
  /** How many of the rows may be suspects. */
  readonly suspects: 0 | 1
}

/** What a claim brought. */
export interface Claimed {
  /** In the order to run them. */
  readonly rows: readonly ClaimedRow[]
  /**
   * In how many milliseconds the next row that is not due yet will be; absent when there is none. 0 beside rows: more are due
   * than the store brings in one answer.
   */
  readonly dueIn?: number
}

/** A row with what a worker needs of it. */
export interface ClaimedRow {
  readonly id: string
  readonly args: string
  readonly priority: number
  /** The number of this run. */
  readonly attempt: number
  readonly attempts: number
  readonly runAt: number
  readonly createdAt: number
  readonly epoch: number
  readonly rescues: number
  readonly releases: number
  readonly lockedAt: number
  readonly timeoutMs?: number
  readonly uniqueKey?: string
  readonly metadata?: Metadata
  readonly errors: readonly StoredFailure[]
}

/** A whole row. */
export interface Row extends Omit<ClaimedRow, 'lockedAt'> {
  /** `queued` is never stored. */
  readonly status: Exclude<Status, 'queued'>
  readonly lockedBy?: string
  readonly lockedAt?: number
  readonly finishedAt?: number
  readonly result?: string
}

/** One failed run. */
export interface StoredFailure extends StoredError {
  /** By the storage's clock, in milliseconds since 1970. */
  readonly at: number
  readonly attempt: number
}

/** How a claim ends. An error is added to the row's last ten; a finished row releases its unique key unless that has a time of its own. */
export interface StoreSettlement {
  readonly id: string
  readonly epoch: number
  readonly outcome: StoreOutcome
}

/** What is written. `done`, `failed` and `killed` use the attempt and set `releases` to 0; `released` gives the attempt back. */
export type StoreOutcome =
  | { readonly type: 'done'; readonly result?: string }
  | { readonly type: 'failed'; readonly error: StoredError; readonly retryInMs: number }
  | { readonly type: 'killed'; readonly error: StoredError }
  | {
      readonly type: 'released'
      /** 0: pending, `runAt` and `releases` as they were. More: due that much later, `releases` + 1. */
      readonly dueInMs: number
      readonly error?: StoredError
    }

/**
 * `repeated`: the row already shows an outcome of this type, which this worker wrote under this epoch. `stale`: any other
 * difference. Neither writes anything.
 */
export type StoreSettled = 'applied' | 'repeated' | 'stale'

/** The right to run a row, as the storage sees it. */
export interface Claim {
  readonly id: string
  readonly epoch: number
}

/** What a beat brought. */
export interface StoreBeat {
  /** The lease counts from the moment the storage handled the beat. */
  readonly leaseMs: number
  /** Every claim that the storage holds for the worker. */
  readonly held: readonly Claim[]
  readonly paused: boolean
  /** In how many milliseconds the next row is due, 0 when one is; absent when there is none, and while the queue is paused. */
  readonly dueIn?: number
  /** In how many milliseconds the next lease of another worker with claims in this queue lapses, 0 when one has; absent when there is none. */
  readonly rescueIn?: number
}

/** How to rescue. */
export interface RescueOptions {
  readonly maxRescues: number
  /** What to keep of a row that is killed. */
  readonly poison: StoredError
}

/** A row taken from a dead worker. */
export interface Rescued {
  readonly row: Row
  readonly outcome: 'pending' | 'killed'
}

/** Something happened in a queue. */
export interface StoreSignal {
  readonly type: 'due' | 'settled' | 'killed' | 'paused' | 'resumed'
  readonly queue: string
  /** The rows it is about, where the store can say. */
  readonly ids?: readonly string[]
}

/** Which rows to list. */
export interface ListFilter {
  readonly status?: Exclude<Status, 'queued'>
  readonly offset: number
  readonly limit: number
}

/** How many rows there are, by status, and when the next matters. */
export interface Counts {
  readonly pending: number
  readonly running: number
  readonly done: number
  readonly failed: number
  readonly killed: number
  /** Of pending and failed: those due now. */
  readonly due: number
  /** How long ago the longest waiting of these became due, in milliseconds. */
  readonly oldestDueMs?: number
}

/** A queue. */
export interface QueueState {
  readonly name: string
  readonly paused: boolean
}

/** What to change of a row. */
export interface RowChanges {
  readonly args?: string
  readonly priority?: number
  readonly runAt?: number
  /** Due this long after the change. Not with `runAt`. */
  readonly delayMs?: number
  readonly metadata?: Metadata
}

/** Whether a row was changed, and if not, its status; no status: there is no such row. */
export type Changed =
  | { readonly changed: true }
  | { readonly changed: false; readonly status?: Exclude<Status, 'queued'> }

/** What became of a retry. */
export type Retried = Changed | { readonly changed: false; readonly holder: string }

/** What to forget. */
export interface PurgeOptions {
  readonly status: 'done' | 'killed'
  readonly olderThanMs: number
  readonly limit: number
}
