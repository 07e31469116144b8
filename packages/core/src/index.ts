// Errors: what handlers throw, what callers catch, and the guards to tell them by.
export { ApalisError } from './internal/apalis-error.ts'
export { OptionError } from './internal/validate.ts'
export {
  AbortError,
  CircuitOpenError,
  DeferredError,
  InterruptedError,
  isAbortError,
  isDeferredError,
  isInterruptedError,
  isLeaseLostError,
  isRefusal,
  isRetryAfterError,
  isTaskKilledError,
  isTimeoutError,
  LayerError,
  LeaseLostError,
  OverloadedError,
  PoisonError,
  RateLimitedError,
  type RefusalOptions,
  RetryAfterError,
  TaskKilledError,
  TimeoutError,
} from './errors/task-errors.ts'
export {
  type Applied,
  BackendError,
  DecodeError,
  DuplicateTaskError,
  EncodeError,
  isBackendError,
  isDecodeError,
  isDuplicateTaskError,
  isEncodeError,
  isTaskGoneError,
  isTaskStateError,
  isUnknownOutcomeError,
  TaskGoneError,
  TaskStateError,
  UnknownOutcomeError,
} from './errors/backend-errors.ts'
export type { SchemaIssue } from './errors/schema-issue.ts'
export {
  isMonitorError,
  isWorkerError,
  isWorkerStateError,
  MonitorError,
  WorkerError,
  WorkerStateError,
} from './errors/worker-errors.ts'
export { type StoredError, toStoredError } from './errors/stored-error.ts'

// Time.
export { type Clock, sleep, systemClock, type Timer, turn } from './time/clock.ts'
export { type Duration, durationMs } from './time/duration.ts'

// Tasks.
export type { Attempt, Parts, QueueContext, Task, TaskFailure } from './task/task.ts'
export { type PushOptions, TaskBuilder, type UniqueKey } from './task/task-builder.ts'
export { newTaskId, type TaskId, taskId } from './task/task-id.ts'
export { isFinished, type Status, statuses } from './task/status.ts'
export type { Json, Metadata } from './task/metadata.ts'
export { type ExtensionKey, extensionKey, Extensions } from './task/extensions.ts'
export { type Backoff, type BackoffOptions, constant, exponential, linear } from './task/backoff.ts'

// Codecs.
export type { Codec } from './codec/codec.ts'
export { json } from './codec/json.ts'
export type {
  SchemaInput,
  SchemaOutput,
  StandardIssue,
  StandardResult,
  StandardSchemaV1,
} from './codec/standard-schema.ts'

// Services, layers, handlers, events.
export type {
  FromRequest,
  Handler,
  Layer,
  LayerTraits,
  ProvidingLayer,
  Service,
  TaskRequest,
} from './service/service.ts'
export { around } from './service/around.ts'
export { withData, withSignal } from './service/request.ts'
export { type LayerFunction, type Next, type Passed, use } from './service/use.ts'
export { taskFn } from './service/task-fn.ts'
export type {
  EventListener,
  LayerInfo,
  WorkerContext,
  WorkerState,
} from './service/worker-context.ts'
export type {
  CustomEvent,
  DroppedEvent,
  EmittedEvent,
  EngageEvent,
  Event,
  EventBase,
  EventBody,
  EventTask,
  HeartbeatEvent,
  IdleEvent,
  LeakedEvent,
  LongRunEvent,
  LostEvent,
  OperationErrorEvent,
  PauseEvent,
  ResumeEvent,
  StartEvent,
  StopEvent,
  SuccessEvent,
  TaskErrorEvent,
} from './service/events.ts'

// Backends: the contract of a source of tasks.
export type {
  Backend,
  Beat,
  Outcome,
  Revoked,
  Settled,
  Settlement,
  TaskStream,
  Undecodable,
} from './backend/backend.ts'
export { taskStream, type TaskStreamOptions } from './backend/task-stream.ts'

// Storages: queues, and the contract of a store.
export { type Retention, Storage, type StorageOptions } from './storage/storage.ts'
export { Queue } from './storage/queue.ts'
export { MemoryStorage, type MemoryStorageOptions } from './storage/memory/memory-storage.ts'
export { MemoryStore, type MemoryStoreOptions } from './storage/memory/memory-store.ts'
export type { QueueOptions } from './storage/queue-options.ts'
export type { Enrich } from './storage/enrichment.ts'
export type { TaskResult } from './storage/results.ts'
export type { WaitOptions } from './storage/waiting.ts'
export type {
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
} from './storage/capabilities.ts'
export {
  type Changed,
  type Claim,
  type Claimed,
  type ClaimedRow,
  type ClaimOptions,
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
  type StoreBeat,
  type StoredFailure,
  type StoreOutcome,
  type StoreSettled,
  type StoreSettlement,
  type StoreSignal,
  type StoreWorker,
  suspectRescues,
  type TaskStore,
  type WorkerRef,
  type WorkerRow,
} from './storage/task-store.ts'

// Layers.
export { acknowledge, type Acknowledger, type CallOutcome } from './layers/acknowledge.ts'
export { concurrency, type ConcurrencyLayer } from './layers/concurrency.ts'
export { eventListener, type ListeningBuilder } from './layers/event-listener.ts'
export { extract, type Extracted, type Extractors } from './layers/extract.ts'
export { timeout, type TimeoutOptions } from './layers/timeout.ts'

// Workers.
export { type RunOptions, Worker } from './worker/worker.ts'
export { type BoundWorkerBuilder, WorkerBuilder } from './worker/worker-builder.ts'
export { work, type WorkOptions } from './worker/work.ts'
export type { WorkerBuilderOptions } from './worker/builder-parts.ts'
export type { AckListener, BackendErrorHandler } from './worker/plan.ts'

// Monitors.
export {
  Monitor,
  type MonitorOptions,
  type MonitorRunOptions,
  type Terminator,
} from './monitor/monitor.ts'
export { Shutdown } from './monitor/shutdown.ts'
export { defaultRestartPolicy, type RestartPolicy } from './monitor/restart-policy.ts'
export type { AnyWorker, WorkerFactory } from './monitor/supervised-worker.ts'
export type { MonitorHealth, WorkerHealth } from './monitor/health.ts'
export {
  isMonitorStateError,
  type MonitorState,
  MonitorStateError,
} from './monitor/monitor-state-error.ts'
export type { SignalName } from './monitor/process-signals.ts'
