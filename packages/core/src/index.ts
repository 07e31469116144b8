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
export {
  type Backoff,
  type BackoffOptions,
  constant,
  decorrelated,
  exponential,
  linear,
} from './task/backoff.ts'

// Codecs.
export type { Codec } from './codec/codec.ts'
export { json } from './codec/json.ts'
export { encrypted, type EncryptionKey, type EncryptionKeys } from './codec/encrypted.ts'
export { type Upcaster, versioned } from './codec/versioned.ts'
export type {
  SchemaInput,
  SchemaOutput,
  StandardIssue,
  StandardResult,
  StandardSchemaV1,
} from './codec/standard-schema.ts'

// Services, layers, handlers, events.
export type {
  ArgsLayer,
  FromRequest,
  Handler,
  Layer,
  LayerTraits,
  Obstacle,
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

// What is published on channels of node:diagnostics_channel.
export type {
  ClaimMessage,
  DiagnosticMessages,
  MonitorMessage,
  PushMessage,
  RescueMessage,
  RunEndMessage,
  RunStartMessage,
  SettledTask,
  SettleMessage,
} from './service/diagnostics.ts'

// Backends: the contract of a source of tasks.
export type {
  Backend,
  Beat,
  Completed,
  Outcome,
  Revoked,
  Settled,
  Settlement,
  TaskStream,
  Undecodable,
} from './backend/backend.ts'
export { taskStream, type TaskStreamOptions } from './backend/task-stream.ts'
export {
  poll,
  type PollBackoffOptions,
  type PollContext,
  type Poller,
  type PollStrategy,
} from './backend/poll.ts'
export {
  CustomBackend,
  type CustomBackendOptions,
  type CustomSettlement,
} from './storage/custom/custom-backend.ts'
export type {
  Batch,
  Fetched,
  FetchedParts,
  FetchedTask,
  FetchRequest,
} from './storage/custom/fetched.ts'
export { pipe, type Pipe, type PipeSource, type PipeTarget } from './storage/pipe/pipe.ts'
export type { PipedBackend } from './storage/pipe/piped-backend.ts'
export type { PipeOptions } from './storage/pipe/pipe-options.ts'
export type { StoreRows } from './storage/custom/sink-inserter.ts'

// Storages: queues, and the contract of a store.
export { type Retention, Storage, type StorageOptions } from './storage/storage.ts'
export { Queue } from './storage/queue.ts'
export { MemoryStorage, type MemoryStorageOptions } from './storage/memory/memory-storage.ts'
export { MemoryStore, type MemoryStoreOptions } from './storage/memory/memory-store.ts'
export { JsonStorage, type JsonStorageOptions } from './storage/json/json-storage.ts'
export type { DamagedLine } from './storage/json/journal-lines.ts'
export type { QueueOptions } from './storage/queue-options.ts'
export type { Enrich } from './storage/enrichment.ts'
export type { TaskResult } from './storage/results.ts'
export type { Completion, ResultArgument } from './storage/completion.ts'
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
export type { CircuitChange, CircuitState, CircuitStatistics } from './layers/circuit.ts'
export {
  circuitBreaker,
  type CircuitBreakerLayer,
  type CircuitBreakerOptions,
} from './layers/circuit-breaker.ts'
export { concurrency, type ConcurrencyLayer } from './layers/concurrency.ts'
export { eventListener, type ListeningBuilder } from './layers/event-listener.ts'
export { extract, type Extracted, type Extractors } from './layers/extract.ts'
export { loadShed } from './layers/load-shed.ts'
export { rateLimit, type RateLimitLayer, type RateLimitOptions } from './layers/rate-limit.ts'
export { retry, type RetryOptions } from './layers/retry.ts'
export { type RetryBudget, retryBudget, type RetryBudgetOptions } from './layers/retry-budget.ts'
export { type ArgsVerdict, filter, type Predicate, type Verdict } from './layers/filter.ts'
export {
  longRunning,
  type LongRunningOptions,
  type Runner,
  type Work,
  type WorkChannel,
} from './layers/long-running.ts'
export { type ErrorMapper, mapError } from './layers/map-error.ts'
export { mapRequest, type RequestMapper } from './layers/map-request.ts'
export { mapResult, type ResultLayer, type ResultMapper } from './layers/map-result.ts'
export { type InstrumentOptions, metrics, type TaskMeter } from './layers/metrics.ts'
export { optional } from './layers/optional.ts'
export {
  type GaugeReadings,
  type MeteredQueue,
  type QueueGauge,
  queueGauges,
  type QueueMeter,
  type ReadGauges,
} from './layers/queue-gauges.ts'
export { tap, type TapListeners } from './layers/tap.ts'
export type { TelemetryAttributes } from './layers/telemetry.ts'
export { timeout, type TimeoutOptions } from './layers/timeout.ts'
export type { TraceSpanContext, TraceState } from './layers/trace-parent.ts'
export {
  type TaskTracer,
  type TraceApi,
  type TraceContext,
  type TraceSpan,
  type TraceSpanOptions,
  tracing,
  type TracingLayer,
} from './layers/tracing.ts'

// Workers.
export { type RunOptions, Worker } from './worker/worker.ts'
export { type BoundWorkerBuilder, type ToldResult, WorkerBuilder } from './worker/worker-builder.ts'
export { work, type WorkOptions } from './worker/work.ts'
export {
  type LoggedOutcome,
  logging,
  type LoggingBuilder,
  type LoggingOptions,
  type LogLevel,
  type TaskLogger,
} from './worker/logging.ts'
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
