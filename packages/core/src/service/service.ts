import type { Extensions } from '../task/extensions.ts'
import type { Metadata } from '../task/metadata.ts'
import type { Task } from '../task/task.ts'
import type { TaskId } from '../task/task-id.ts'
import type { WorkerContext } from './worker-context.ts'

/** Turns a request into a result, and says how many more it would take. tower's `Service`. */
export interface Service<in Req, out Res> {
  /** A synchronous result stays synchronous. */
  call(request: Req): Res | Promise<Res>
  /** How many more calls it would take now, or by `ahead` milliseconds from now. Absent: the inner service's. */
  capacity?(ahead?: number): number
  /** Settles when `capacity() > 0`, or when `signal` aborts: tower's `poll_ready`. */
  ready?(signal: AbortSignal): Promise<void>
  /** Why `capacity()` is 0, for people; asked only then. */
  obstacle?(): Obstacle | undefined
}

/** Why a service takes no more calls now. */
export interface Obstacle {
  /** In a few words: `10 of 10 calls in flight`. */
  readonly reason: string
  /** When it takes calls again by itself, where that is known. */
  readonly until?: Date
}

/** One run of a task, on its way through the layers to the handler. */
export interface TaskRequest<out Args = unknown, out Data = unknown, out Context = unknown> {
  readonly id: TaskId
  /** The number of this run: 1 for the first. */
  readonly attempt: number
  readonly metadata: Metadata
  readonly task: Task<Args, Context>
  /** What the builder's `data`, `extract` and `provide` gave: apalis's `Data<T>`. */
  readonly data: Data
  /** What layers leave for each other; never stored. */
  readonly extensions: Extensions
  /** Aborts when the run has to end: timeout, cancel, lost lease, shutdown deadline. Its reason says which. */
  readonly signal: AbortSignal
  readonly worker: WorkerContext
}

/** What a layer says about itself beside what it does. */
export interface LayerTraits {
  /** It bounds how many calls are in flight, so the worker adds no `concurrency` of its own. */
  readonly boundsInFlight?: boolean
  /** It refuses calls instead of letting them wait, so the capacity of what stands inside it is not counted. */
  readonly shedsLoad?: boolean
  /** What events and `WorkerContext.layers` call it. @default the name of the function */
  readonly layerName?: string
}

/** Wraps a service in another: middleware. Generic in the result, so only the inner service can make one. tower's `Layer`. */
export interface Layer<
  in Args = unknown,
  in Data = unknown,
  in Context = unknown,
> extends LayerTraits {
  <Req extends TaskRequest<Args, Data, Context>, Res>(inner: Service<Req, Res>): Service<Req, Res>
  /** Never there; TypeScript does not compare the bounds of type parameters, but it compares this. */
  readonly '~needs'?: (request: TaskRequest<Args, Data, Context>) => void
}

/** A {@link Layer} that may give what stands inside other arguments, of exactly the type that the tasks have. */
export interface ArgsLayer<
  in out Args = unknown,
  in Data = unknown,
  in Context = unknown,
> extends Layer<Args, Data, Context> {
  /** Never there: it says that the arguments have to fit both ways. */
  readonly '~gives'?: () => Args
}

/** A layer that adds to the `data` of what stands inside it. */
export interface ProvidingLayer<
  out Added extends object,
  in Args = unknown,
  in Data = unknown,
  in Context = unknown,
> extends LayerTraits {
  <A extends Args, D extends Data, C extends Context, Res>(
    inner: Service<TaskRequest<A, D & Added, C>, Res>,
  ): Service<TaskRequest<A, D, C>, Res>
  readonly '~needs'?: (request: TaskRequest<Args, Data, Context>) => void
}

/** What runs a task. */
export type Handler<in Args, in Data = {}, out Result = unknown, in Context = unknown> = (
  args: Args,
  request: TaskRequest<Args, Data, Context>,
) => Result | Promise<Result>

/** Gets one value out of a request, for the handler's `data`. May be async; a throw fails the attempt. apalis's `FromRequest`. */
export type FromRequest<out Value, in Args = unknown, in Data = unknown, in Context = unknown> = (
  request: TaskRequest<Args, Data, Context>,
) => Value | Promise<Value>
