import { Extensions } from '../task/extensions.ts'
import type { Metadata } from '../task/metadata.ts'
import type { Task } from '../task/task.ts'
import type { TaskId } from '../task/task-id.ts'
import type { Clock } from '../time/clock.ts'
import { type Cancellation, cancellationOf } from './cancellation.ts'
import type { TaskRequest } from './service.ts'
import type { WorkerContext } from './worker-context.ts'

/** What became of a run: how its claim is to be settled, or that it was lost. */
export interface RunEnd {
  readonly outcome: 'done' | 'failed' | 'killed' | 'released' | 'lost'
  /** What it ended with, unless it is done or was given back without one. */
  readonly error?: unknown
}

/** What the services of a stack and whoever runs the request tell each other. */
export interface RunObserver {
  /** The handler begins. Throws when it must not: the run has to end, or has ended. */
  began(): void
  /**
   * The handler, or work that it left running, still runs one abort grace after its signal aborted; `end` settles when it
   * no longer does.
   */
  leaked(end: Promise<unknown>): void
  /** Calls back once, when the run has ended and its outcome is decided; it is not durable yet. */
  onEnd(callback: (end: RunEnd) => void): void
}

/** The requests that pass through a worker's stack. Signal and extensions are made when first asked for. */
export class RunRequest<out Args, out Data, out Context> implements TaskRequest<
  Args,
  Data,
  Context
> {
  readonly task: Task<Args, Context>
  readonly data: Data
  readonly worker: WorkerContext
  /** @internal The worker's clock, for layers that wait or measure. */
  readonly clock: Clock
  /** @internal */
  readonly cancellation: Cancellation
  /** @internal */
  readonly observer: RunObserver
  /** The request that this one was derived from: they share their extensions. */
  readonly #origin: RunRequest<unknown, unknown, unknown> | undefined
  #extensions: Extensions | undefined

  constructor(
    task: Task<Args, Context>,
    data: Data,
    worker: WorkerContext,
    clock: Clock,
    cancellation: Cancellation,
    observer: RunObserver,
    origin?: RunRequest<unknown, unknown, unknown>,
  ) {
    this.task = task
    this.data = data
    this.worker = worker
    this.clock = clock
    this.cancellation = cancellation
    this.observer = observer
    this.#origin = origin
  }

  get id(): TaskId {
    return this.task.parts.taskId
  }

  get attempt(): number {
    return this.task.parts.attempt.current
  }

  get metadata(): Metadata {
    return this.task.parts.metadata
  }

  get extensions(): Extensions {
    return (this.#extensions ??= this.#origin?.extensions ?? new Extensions())
  }

  get signal(): AbortSignal {
    return this.cancellation.signal
  }

  /** @internal The same run, with other data. */
  withData<Other>(data: Other): RunRequest<Args, Other, Context> {
    const { task, worker, clock, cancellation, observer } = this
    return new RunRequest(task, data, worker, clock, cancellation, observer, this)
  }

  /** @internal The same run, with other arguments for what stands inside. */
  withArgs<Other>(args: Other): RunRequest<Other, Data, Context> {
    const { task, data, worker, clock, cancellation, observer } = this
    const changed = { args, parts: task.parts }
    return new RunRequest(changed, data, worker, clock, cancellation, observer, this)
  }

  /** @internal The same run, with another cancellation. */
  withCancellation(cancellation: Cancellation): RunRequest<Args, Data, Context> {
    const { task, data, worker, clock, observer } = this
    return new RunRequest(task, data, worker, clock, cancellation, observer, this)
  }
}

/**
 * `request` with another signal for what stands inside the calling layer. When it aborts, the inner call ends with its
 * reason, so a signal of one's own should abort with the outer one: `AbortSignal.any([request.signal, …])`.
 */
export function withSignal<Req extends TaskRequest>(request: Req, signal: AbortSignal): Req {
  return withCancellation(request, cancellationOf(signal))
}

/** @internal `request` with another cancellation: {@link withSignal} for layers that can do without a signal. */
export function withCancellation<Req extends TaskRequest>(
  request: Req,
  cancellation: Cancellation,
): Req {
  // Every Req is a RunRequest, and the derived one differs in its cancellation only.
  return asRun(request).withCancellation(cancellation) as unknown as Req
}

/** `request` with `added` merged over its data, for a {@link ProvidingLayer}. */
export function withData<Args, Data, Context, Added extends object>(
  request: TaskRequest<Args, Data, Context>,
  added: Added,
): TaskRequest<Args, Data & Added, Context> {
  return asRun(request).withData({ ...request.data, ...added })
}

/** @internal `request` with other arguments for what stands inside the calling layer. They have to be of its own type. */
export function withArgs<Req extends TaskRequest>(request: Req, args: unknown): Req {
  // Every Req is a RunRequest, and the derived one differs in its arguments only; `ArgsLayer` is what holds their type.
  return asRun(request).withArgs(args) as unknown as Req
}

/** @internal The request as the worker made it. */
export function asRun<Args, Data, Context>(
  request: TaskRequest<Args, Data, Context>,
): RunRequest<Args, Data, Context> {
  if (request instanceof RunRequest) return request as RunRequest<Args, Data, Context>
  throw new TypeError('this request was not made by a worker or by testRequest()')
}
