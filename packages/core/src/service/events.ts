import type { Json } from '../task/metadata.ts'
import type { Parts } from '../task/task.ts'

/** The task that an event is about. `args` is absent where they could not be decoded. */
export interface EventTask<out Args = unknown> {
  readonly args?: Args
  readonly parts: Parts
}

/** What every event says. */
export interface EventBase {
  /** The name of the worker. */
  readonly worker: string
  /** The name of its backend. */
  readonly queue: string
  readonly time: Date
}

/** The worker began to run. */
export interface StartEvent {
  readonly type: 'start'
}

/** A handler begins. */
export interface EngageEvent<out Args = unknown> {
  readonly type: 'engage'
  readonly task: EventTask<Args>
  /** From the start of the run: what the layers took. */
  readonly waitedMs: number
}

/** A task is done, durably. */
export interface SuccessEvent<out Args = unknown, out Result = unknown> {
  readonly type: 'success'
  readonly task: EventTask<Args>
  readonly result: Result
  /** From the start of the run to its end. */
  readonly durationMs: number
}

/** A run of a task ended otherwise, durably. */
export interface TaskErrorEvent<out Args = unknown> {
  readonly type: 'error'
  readonly task: EventTask<Args>
  readonly error: unknown
  readonly outcome: 'failed' | 'killed' | 'released'
  /** When it runs again; absent when it does not. */
  readonly retryAt?: Date
  /** From the start of the run to its end; absent where this worker did not run it. */
  readonly durationMs?: number
}

/** A call to the backend, or a callback of the user's, failed. The worker goes on. */
export interface OperationErrorEvent {
  readonly type: 'error'
  readonly operation: string
  readonly error: unknown
}

/** The worker no longer holds a task that it was running; nothing is written for it. */
export interface LostEvent<out Args = unknown> {
  readonly type: 'lost'
  readonly task: EventTask<Args>
  readonly reason: 'lease' | 'taken' | 'cancelled'
}

/** A claim found nothing: once after the start, and once after work. */
export interface IdleEvent {
  readonly type: 'idle'
}

/** The backend confirmed the worker's lease. */
export interface HeartbeatEvent {
  readonly type: 'heartbeat'
}

/** The worker was paused. */
export interface PauseEvent {
  readonly type: 'pause'
}

/** The worker was resumed. */
export interface ResumeEvent {
  readonly type: 'resume'
}

/** A handler, or work that it left running, goes on although its signal aborted a while ago; what it ends with is discarded. */
export interface LeakedEvent<out Args = unknown> {
  readonly type: 'leaked'
  readonly task: EventTask<Args>
}

/** Something bounded was full, or could not be written in time. */
export interface DroppedEvent {
  readonly type: 'dropped'
  readonly what: string
  readonly count: number
}

/** A handler runs for more than five minutes; once a run. */
export interface LongRunEvent<out Args = unknown> {
  readonly type: 'longRun'
  readonly task: EventTask<Args>
}

/** Whatever a handler or layer wants to tell. */
export interface CustomEvent {
  readonly type: 'custom'
  readonly name: string
  readonly data?: Json
}

/** The worker has stopped: every outcome is durable, or the deadline has passed. */
export interface StopEvent {
  readonly type: 'stop'
}

/** What a {@link Event} is before the worker adds who and when. */
export type EventBody<Args = unknown, Result = unknown> =
  | StartEvent
  | EngageEvent<Args>
  | SuccessEvent<Args, Result>
  | TaskErrorEvent<Args>
  | OperationErrorEvent
  | LostEvent<Args>
  | IdleEvent
  | HeartbeatEvent
  | PauseEvent
  | ResumeEvent
  | LeakedEvent<Args>
  | DroppedEvent
  | LongRunEvent<Args>
  | CustomEvent
  | StopEvent

/** What happens in a worker. apalis's `Event`. */
export type Event<Args = unknown, Result = unknown> = EventBase & EventBody<Args, Result>

/** What `WorkerContext.emit` takes: `custom` from handlers and layers, the others from a backend. */
export type EmittedEvent = CustomEvent | OperationErrorEvent | TaskErrorEvent | DroppedEvent
