import type {
  Backend,
  Beat,
  Settled,
  Settlement,
  TaskStream,
  Undecodable,
} from '../backend/backend.ts'
import type { Codec } from '../codec/codec.ts'
import { json } from '../codec/json.ts'
import { OptionError } from '../internal/validate.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { Backoff } from '../task/backoff.ts'
import type { QueueContext, Task } from '../task/task.ts'
import type { PushOptions } from '../task/task-builder.ts'
import type { TaskId } from '../task/task-id.ts'
import type { Clock } from '../time/clock.ts'
import type { Duration } from '../time/duration.ts'
import type {
  BulkOptions,
  FetchById,
  Kill,
  ListQueues,
  ListTasks,
  ListTasksOptions,
  ListWorkers,
  Metrics,
  Pause,
  QueueInfo,
  QueueMetrics,
  RegisterWorker,
  Remove,
  Reschedule,
  ResumeAbandoned,
  ResumeById,
  Retry,
  StreamOptions,
  TaskChanges,
  TaskSink,
  Update,
  Vacuum,
  VacuumOptions,
  WaitForCompletion,
  WorkerInfo,
  WorkerRegistration,
} from './capabilities.ts'
import { Claims } from './claims.ts'
import { type Completion, type CompletionDeps, TransactionalCompletion } from './completion.ts'
import { Enrichment } from './enrichment.ts'
import type { Lanes } from './lanes.ts'
import { Sink } from './push.ts'
import { QueueAdministration } from './queue-administration.ts'
import type { QueueCore } from './queue-core.ts'
import type { QueueSettings } from './queue-options.ts'
import type { QueueShared, StorageSettings } from './queue-shared.ts'
import { RowMaker } from './row-maker.ts'
import { resultEncoder, type TaskResult } from './results.ts'
import { StoredTasks } from './stored-tasks.ts'
import { type WaitOptions, Waiting } from './waiting.ts'

/**
 * A named, typed view of a storage: what tasks are pushed to, read from and administered through, and the backend of the
 * workers that run them. `In` is pushed, `Args` is what a handler gets, `Result` what it gives back, `Tx` a transaction of
 * the caller's. Made by `Storage.queue`.
 */
export class Queue<in In, out Args, in out Result = unknown, in Tx = never>
  implements
    Backend<Args, Result, QueueContext>,
    TaskSink<In>,
    FetchById<Args, QueueContext>,
    ListTasks<Args, QueueContext>,
    Update<In>,
    Reschedule,
    Kill,
    Retry,
    Remove,
    ResumeById,
    ResumeAbandoned,
    Vacuum,
    Pause,
    WaitForCompletion<Result>,
    RegisterWorker,
    ListWorkers,
    ListQueues,
    Metrics
{
  readonly name: string
  readonly codec: Codec<never, Args>
  readonly clock: Clock
  readonly backoff: Backoff
  readonly maxReleases: number
  readonly #lanes: Lanes<Tx>
  readonly #rows: RowMaker<In>
  readonly #sink: Sink<In>
  readonly #tasks: StoredTasks<In, Args, Result>
  readonly #administration: QueueAdministration
  readonly #waiting: Waiting<Result>
  readonly #claims: Claims<Args, Result>
  readonly #completion: CompletionDeps<Result, Tx>
  /** @internal What it was made with, for a queue of the same rules over another store. */
  readonly made: {
    readonly storage: StorageSettings
    readonly settings: QueueSettings<In, Args, Result>
  }

  constructor(
    { core, lanes, waiters }: QueueShared<Tx>,
    storage: StorageSettings,
    settings: QueueSettings<In, Args, Result>,
  ) {
    const { clock, scope, leaseMs, retention, safetyPollMs, purgeEveryMs } = storage
    const { result, maxSize, maxRescues } = settings
    // Without a codec the arguments are JSON, and In and Args are one type: see the overloads of `Storage.queue`.
    const args = settings.args ?? (json() as unknown as Codec<In, Args>)
    // Only what happens within a transaction needs to know of transactions.
    const { queue, store, channel }: QueueCore = core
    const encodeResult = resultEncoder(result, maxSize)
    const own = { queue, store, clock, channel }
    this.made = { storage, settings }
    this.name = queue
    this.codec = args
    this.clock = clock
    this.backoff = settings.backoff
    this.maxReleases = settings.maxReleases
    this.#lanes = lanes
    this.#rows = new RowMaker({
      clock,
      codec: args,
      defaults: settings,
      enrichment: new Enrichment(queue, [storage.enrich, settings.enrich]),
    })
    this.#sink = new Sink(this.#rows, lanes)
    this.#tasks = new StoredTasks({ ...own, args, result, maxSize })
    this.#administration = new QueueAdministration({ ...own, leaseMs, maxRescues })
    this.#waiting = new Waiting(waiters, clock, result)
    this.#completion = { core, encodeResult }
    this.#claims = new Claims({
      ...own,
      scope,
      leaseMs,
      retention,
      maxRescues,
      codec: args,
      encodeResult,
      safetyPollMs,
      purgeEveryMs,
    })
  }

  /** See {@link TaskSink}. */
  push(args: In, options?: PushOptions): Promise<TaskId> {
    return this.#sink.push(args, options)
  }

  /** See {@link TaskSink}. */
  pushBulk(args: readonly In[], options?: BulkOptions): Promise<readonly TaskId[]> {
    return this.#sink.pushBulk(args, options)
  }

  /** See {@link TaskSink}. */
  pushStream(source: AsyncIterable<In> | Iterable<In>, options?: StreamOptions): Promise<number> {
    return this.#sink.pushStream(source, options)
  }

  /** See {@link TaskSink}. */
  pushTask(task: Task<In, PushOptions>): Promise<TaskId> {
    return this.#sink.pushTask(task)
  }

  /** See {@link TaskSink}. */
  pushAll(tasks: readonly Task<In, PushOptions>[]): Promise<readonly TaskId[]> {
    return this.#sink.pushAll(tasks)
  }

  /**
   * Pushes in a transaction of the caller's: what is rolled back was never there, what is committed wakes the workers.
   * Nothing is grouped or put off: the storage is asked before a push gives back its promise. Throws an `OptionError`
   * without a transaction.
   */
  within(tx: Tx): TaskSink<In> {
    return new Sink(this.#rows, this.#lanes.within(checkTransaction('within', tx)))
  }

  /**
   * For a handler: ends its task in a transaction of the handler's own, so that its effects and its completion commit
   * together. What `within` says of the transaction holds here.
   */
  settleWithin(tx: Tx): Completion<Result> {
    return new TransactionalCompletion(this.#completion, checkTransaction('settleWithin', tx))
  }

  /** See {@link FetchById}. */
  fetchById(id: string): Promise<Task<Args, QueueContext> | undefined> {
    return this.#tasks.fetchById(id)
  }

  /** See {@link ListTasks}. */
  listTasks(
    options?: ListTasksOptions,
  ): Promise<readonly (Task<Args, QueueContext> | Undecodable<QueueContext>)[]> {
    return this.#tasks.listTasks(options)
  }

  /** See {@link Update}. */
  update(id: string, changes: TaskChanges<In>): Promise<boolean> {
    return this.#tasks.update(id, changes)
  }

  /** See {@link Reschedule}. */
  reschedule(id: string, when: Duration | Date): Promise<boolean> {
    return this.#tasks.reschedule(id, when)
  }

  /** See {@link Kill}. */
  kill(id: string, reason?: unknown): Promise<boolean> {
    return this.#tasks.kill(id, reason)
  }

  /** See {@link Retry}. */
  retry(id: string, options?: { readonly resetAttempts?: boolean }): Promise<boolean> {
    return this.#tasks.retry(id, options)
  }

  /** See {@link Remove}. */
  remove(id: string): Promise<boolean> {
    return this.#tasks.remove(id)
  }

  /** See {@link ResumeById}. */
  resumeById(id: string): Promise<boolean> {
    return this.#tasks.resumeById(id)
  }

  /** See {@link ResumeAbandoned}. */
  resumeAbandoned(): Promise<number> {
    return this.#administration.resumeAbandoned()
  }

  /** See {@link Vacuum}. */
  vacuum(options?: VacuumOptions): Promise<number> {
    return this.#administration.vacuum(options)
  }

  /** See {@link Pause}. */
  pause(): Promise<void> {
    return this.#administration.pause()
  }

  /** See {@link Pause}. */
  resume(): Promise<void> {
    return this.#administration.resume()
  }

  /** See {@link Pause}. */
  isPaused(): Promise<boolean> {
    return this.#administration.isPaused()
  }

  /** See {@link WaitForCompletion}. */
  waitFor(ids: Iterable<string>, options?: WaitOptions): AsyncIterable<TaskResult<Result>> {
    return this.#waiting.waitFor(ids, options)
  }

  /** See {@link WaitForCompletion}. */
  result(id: string, options?: WaitOptions): Promise<Result> {
    return this.#waiting.result(id, options)
  }

  /** See {@link WaitForCompletion}. */
  checkStatus(ids: Iterable<string>): Promise<readonly TaskResult<Result>[]> {
    return this.#tasks.checkStatus(ids)
  }

  /** See {@link RegisterWorker}. */
  registerWorker(worker: WorkerRegistration): Promise<void> {
    return this.#administration.registerWorker(worker)
  }

  /** See {@link ListWorkers}. */
  listWorkers(): Promise<readonly WorkerInfo[]> {
    return this.#administration.listWorkers()
  }

  /** See {@link ListQueues}. */
  listQueues(): Promise<readonly QueueInfo[]> {
    return this.#administration.listQueues()
  }

  /** See {@link Metrics}. */
  metrics(): Promise<QueueMetrics> {
    return this.#administration.metrics()
  }

  /** The tasks that one worker incarnation claims. */
  poll(worker: WorkerContext): TaskStream<Args, QueueContext> {
    return this.#claims.poll(worker)
  }

  /** The beats that keep a worker incarnation's lease. */
  heartbeat(worker: WorkerContext): AsyncIterable<Beat> {
    return this.#claims.heartbeat(worker)
  }

  /** Ends claims, each fenced by its epoch and its worker. */
  settle(settlements: readonly Settlement<Result>[]): Promise<readonly Settled[]> {
    return this.#claims.settle(settlements)
  }
}

function checkTransaction<Tx>(option: string, tx: Tx): Tx {
  // What else is no transaction the store can tell; this one it would take for none at all.
  if (tx === undefined) throw new OptionError(option, tx, 'a transaction of yours')
  return tx
}
