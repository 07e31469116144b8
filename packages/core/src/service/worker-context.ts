import type { EmittedEvent, Event } from './events.ts'

/** Where a worker is in its life. */
export type WorkerState = 'pending' | 'running' | 'paused' | 'stopping' | 'stopped'

/** One layer of a worker, outermost first. */
export interface LayerInfo {
  readonly name: string
  /** How many more calls it would take now; Infinity where it does not limit. */
  readonly capacity: number
  /** Where that is 0: why. */
  readonly reason?: string
  /** Where that is 0: when it takes calls again by itself, if that is known. */
  readonly until?: Date
}

/** A worker as its handlers, layers, listeners and backend see it. apalis's `WorkerContext`. */
export interface WorkerContext {
  readonly name: string
  /** The name of its backend. */
  readonly queue: string
  /** The incarnation: random, new at every start and after a lost lease. */
  readonly id: string
  readonly state: WorkerState
  /** No new claims until `resume`; running tasks finish, waiting ones are given back. Throws `WorkerStateError` unless running. */
  pause(): void
  /** Ends a pause. Throws `WorkerStateError` unless paused. */
  resume(): void
  /** Begins the graceful stop and returns at once. May be called at any time, any number of times, from anywhere. */
  stop(): void
  /** Settles when the worker has stopped: nothing runs, and every outcome is durable or the deadline has passed. */
  readonly stopped: Promise<void>
  /** Running, and its layers would take a task now. */
  isReady(): boolean
  isRunning(): boolean
  isPaused(): boolean
  isShuttingDown(): boolean
  /** Handlers running, outcomes not yet durable, and promises tracked. */
  readonly taskCount: number
  hasPendingTasks(): boolean
  /** Handlers that still run although their signal aborted a while ago: nobody waits for them, and no limit counts them. */
  readonly leaked: number
  /** Counts `promise` as the worker's work until it settles: the stop waits for it. Gives `promise` back; throws an `OptionError` for what is none. */
  track<Value>(promise: Promise<Value>): Promise<Value>
  /** Tells the listeners. */
  emit(event: EmittedEvent): void
  /** Aborts as soon as the worker begins to stop. */
  readonly signal: AbortSignal
  /** The layers, outermost first, each with its capacity now. */
  readonly layers: readonly LayerInfo[]
}

/** Hears of everything that happens in a worker; `worker` is the one it happens in. Nobody waits for what it returns. */
export type EventListener<in Args = unknown, in Result = unknown> = (
  event: Event<Args, Result>,
  worker: WorkerContext,
) => unknown
