import type { Backend, Outcome } from '../backend/backend.ts'
import type { BackendError } from '../errors/backend-errors.ts'
import type { EventTask } from '../service/events.ts'
import type { LayerTraits, Service, TaskRequest } from '../service/service.ts'
import type { EventListener } from '../service/worker-context.ts'
import type { Clock } from '../time/clock.ts'

/** A service somewhere in a worker's stack. Its types are forgotten on purpose: the builder has checked that what stands inside a layer fits it. */
export type RawService = Service<TaskRequest, unknown>

/** A layer of a worker's stack, adding to the data or not; its types are forgotten like those of {@link RawService}. */
export type RawLayer = ((inner: RawService) => RawService) & LayerTraits

/** A layer and what events and `WorkerContext.layers` call it. */
export interface NamedLayer {
  readonly name: string
  readonly layer: RawLayer
}

/** Is told how a claim ended, after that was settled; cannot change it. The worker's stop waits for what it returns. */
export type AckListener<in Args = unknown, in Result = unknown> = (
  outcome: Outcome<Result>,
  task: EventTask<Args>,
) => unknown

/** Decides whether a worker goes on after a failed call to its backend. `failuresInARow` counts those since the last good call, this one included. */
export type BackendErrorHandler = (error: BackendError, failuresInARow: number) => 'retry' | 'end'

/** Everything that a worker is built from: what the builder hands to the engine. */
export interface WorkerPlan<out Args, in out Result> {
  readonly name: string
  readonly backend: Backend<Args, Result>
  /** The builder's, else the backend's, else the system's. */
  readonly clock: Clock
  /** The static data, merged and frozen: what every request starts with. */
  readonly data: object
  /** Outermost first: the backend's `middleware()`, then the worker's own, extractors and the default concurrency included. */
  readonly layers: readonly NamedLayer[]
  /** What runs a task; a handler function is wrapped. */
  readonly handler: Service<TaskRequest, Result>
  readonly listeners: readonly EventListener[]
  readonly ackWith: readonly AckListener[]
  readonly onBackendError?: BackendErrorHandler
  /** The most tasks in one claim. */
  readonly claimBatch: number
  /** How many outcomes may wait to become durable before the worker claims no more. */
  readonly acknowledgementBuffer: number
  readonly abortGraceMs: number
  readonly longRunAfterMs: number
  /** How many events an event stream keeps for a slow reader. */
  readonly eventBuffer: number
}
