import type { Undecodable } from '../backend/backend.ts'
import type { Metadata } from '../task/metadata.ts'
import type { Status } from '../task/status.ts'
import type { Task } from '../task/task.ts'
import type { TaskId } from '../task/task-id.ts'
import type { PushOptions } from '../task/task-builder.ts'
import type { Duration } from '../time/duration.ts'
import type { TaskResult } from './results.ts'
import type { WaitOptions } from './waiting.ts'

/** What holds for every task of a stream; each has its own id. Of those that share a unique key only the first is stored. */
export type StreamOptions = Omit<PushOptions, 'id'>

/** What holds for every task of a bulk. */
export interface BulkOptions extends StreamOptions {
  /** One for each task, as many as there are: such as those of an `UnknownOutcomeError`. @default new ULIDs */
  readonly ids?: readonly string[]
}

/**
 * Takes tasks. apalis's `TaskSink`. A push that meets a held unique key or an existing id stores nothing and gives back
 * the existing id. All reject with an `EncodeError` for what cannot be stored, with a `BackendError` when the storage
 * failed and stored nothing, and with an `UnknownOutcomeError` that carries the ids when nobody knows; pushing again
 * with these ids stores nothing twice.
 */
export interface TaskSink<in In> {
  /** Stores one task. Concurrent calls share a round trip. */
  push(args: In, options?: PushOptions): Promise<TaskId>
  /** Stores all or none; gives back the ids in order. */
  pushBulk(args: readonly In[], options?: BulkOptions): Promise<readonly TaskId[]>
  /**
   * Stores what the source yields, in batches of up to 1,000, each all or nothing and none held back while the source
   * pauses; gives back how many were stored. After an error earlier batches stay.
   */
  pushStream(source: AsyncIterable<In> | Iterable<In>, options?: StreamOptions): Promise<number>
  /** Stores a task of the `TaskBuilder`. */
  pushTask(task: Task<In, PushOptions>): Promise<TaskId>
  /**
   * Stores all these tasks or none; gives back the ids in order. With `onDuplicate: 'throw'` on one of them none is
   * stored when any id or unique key is taken.
   */
  pushAll(tasks: readonly Task<In, PushOptions>[]): Promise<readonly TaskId[]>
}

/** Reads one task. apalis's `FetchById`. */
export interface FetchById<out Args, out Context = unknown> {
  /** undefined: there is no such task. Rejects with a `DecodeError` where its arguments cannot be read. */
  fetchById(id: string): Promise<Task<Args, Context> | undefined>
}

/** What to change of a task; what is absent stays. */
export interface TaskChanges<out In> {
  readonly args?: In
  readonly priority?: number
  /** The task does not start before this. Not with `delay`. */
  readonly runAt?: Date
  /** The task does not start before so long after the change. */
  readonly delay?: Duration
  /** In place of all that was there. */
  readonly metadata?: Metadata
}

/** Changes a task that is pending or failed. apalis's `Update`. */
export interface Update<in In> {
  /** False: unknown, running or finished. */
  update(id: string, changes: TaskChanges<In>): Promise<boolean>
}

/** Moves a task in time. apalis's `Reschedule`. */
export interface Reschedule {
  /** `when`: how long from now, or the instant. False: unknown, running or finished. */
  reschedule(id: string, when: Duration | Date): Promise<boolean>
}

/** Ends a task, whatever its status. */
export interface Kill {
  /**
   * The task is killed at once, a running one in whatever process; its worker hears of it and aborts. `reason` is kept
   * as its last error. False: unknown or finished.
   */
  kill(id: string, reason?: unknown): Promise<boolean>
}

/** Gives a killed task another life. */
export interface Retry {
  /**
   * False: unknown. Rejects with a `TaskStateError` when it is not killed, and with a `DuplicateTaskError` when another
   * task holds its unique key. `resetAttempts`: all attempts anew, otherwise one more. @default true
   */
  retry(id: string, options?: { readonly resetAttempts?: boolean }): Promise<boolean>
}

/** Forgets a task. */
export interface Remove {
  /** False: unknown. Rejects with a `TaskStateError` when it is running. */
  remove(id: string): Promise<boolean>
}

/** Takes a running task from whoever holds it. apalis's `ResumeById`. */
export interface ResumeById {
  /** The task is pending again and keeps its place; the run is not counted. False: unknown or not running. */
  resumeById(id: string): Promise<boolean>
}

/** Takes the running tasks of dead workers, now. apalis's `ResumeAbandoned`. */
export interface ResumeAbandoned {
  /** How many there were: pending again, or killed with a `PoisonError` after too many such rescues. */
  resumeAbandoned(): Promise<number>
}

/** Which finished tasks to forget. */
export interface VacuumOptions {
  /** @default both */
  readonly status?: 'done' | 'killed'
  /** Only those that ended longer ago than this. @default 0 */
  readonly olderThan?: Duration
}

/** Forgets finished tasks. apalis's `Vacuum`. */
export interface Vacuum {
  /** How many went. Those that still hold a unique key stay. */
  vacuum(options?: VacuumOptions): Promise<number>
}

/** Stops and starts a queue for every worker, durably. */
export interface Pause {
  /** Running tasks finish, none start. */
  pause(): Promise<void>
  resume(): Promise<void>
  isPaused(): Promise<boolean>
}

/** Waits for tasks to end: woken, not polled. apalis's `WaitForCompletion`. */
export interface WaitForCompletion<out Result> {
  /** One result for each different id, in order of completion. The wait begins with the first `next()`. */
  waitFor(ids: Iterable<string>, options?: WaitOptions): AsyncIterable<TaskResult<Result>>
  /**
   * What the handler gave back; undefined where the queue keeps no results. Rejects with a `TaskKilledError`, its cause
   * the task's last error; with a `TaskGoneError` when it is not stored (any more).
   */
  result(id: string, options?: WaitOptions): Promise<Result>
  /** What has become of each, now, in order. */
  checkStatus(ids: Iterable<string>): Promise<readonly TaskResult<Result>[]>
}

/** An incarnation to register. */
export interface WorkerRegistration {
  /** Text of 1 to 255 bytes, different for each start of a worker. */
  readonly id: string
  readonly name: string
  /** How long it is trusted without a beat. @default the storage's */
  readonly lease?: Duration
  /** Names of its layers, outermost first. */
  readonly layers?: readonly string[]
}

/** Registers workers that are not ours. apalis's `RegisterWorker`. */
export interface RegisterWorker {
  /** Begins or renews its lease. */
  registerWorker(worker: WorkerRegistration): Promise<void>
}

/** A registered worker incarnation. apalis's `RunningWorker`. */
export interface WorkerInfo {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly layers: readonly string[]
  readonly startedAt: Date
  readonly lastBeatAt: Date
  readonly leaseMs: number
  /** Whether its lease has not lapsed. */
  readonly live: boolean
  /** How many tasks it holds. */
  readonly held: number
}

/** Lists registered workers. apalis's `ListWorkers`. */
export interface ListWorkers {
  listWorkers(): Promise<readonly WorkerInfo[]>
}

/** A queue. apalis's `QueueInfo`. */
export interface QueueInfo {
  readonly name: string
  readonly paused: boolean
}

/** Lists queues. apalis's `ListQueues`. */
export interface ListQueues {
  /** Every queue that has tasks or is paused. */
  listQueues(): Promise<readonly QueueInfo[]>
}

/** Which tasks to list. apalis's `Filter`. */
export interface ListTasksOptions {
  /** `queued` lists nothing: claimed tasks are `running`. @default any */
  readonly status?: Status
  /** From 1. @default 1 */
  readonly page?: number
  /** From 1 to 1,000. @default 10 */
  readonly pageSize?: number
}

/** Lists tasks. apalis's `ListTasks`. */
export interface ListTasks<out Args, out Context = unknown> {
  /** A page, in order of insertion. A task whose arguments cannot be read stands in it with its error instead. */
  listTasks(
    options?: ListTasksOptions,
  ): Promise<readonly (Task<Args, Context> | Undecodable<Context>)[]>
}

/** A queue in numbers. */
export interface QueueMetrics {
  readonly pending: number
  readonly running: number
  readonly done: number
  readonly failed: number
  readonly killed: number
  /** Of the pending and failed: how many are due. */
  readonly due: number
  /** How long ago the longest waiting of these became due, in milliseconds; undefined: none is due. */
  readonly oldestDueMs: number | undefined
  readonly paused: boolean
  /** How many workers have a live lease. */
  readonly workers: number
}

/** Counts. apalis's `Metrics`. */
export interface Metrics {
  metrics(): Promise<QueueMetrics>
}
