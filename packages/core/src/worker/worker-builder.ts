import type { Backend } from '../backend/backend.ts'
import { func, OptionError, text } from '../internal/validate.ts'
import type { Extracted, Extractors } from '../layers/extract.ts'
import { mapResult, type ResultMapper } from '../layers/map-result.ts'
import type {
  ArgsLayer,
  Handler,
  ProvidingLayer,
  Service,
  TaskRequest,
} from '../service/service.ts'
import { handlerService } from '../service/task-fn.ts'
import { type LayerFunction, use } from '../service/use.ts'
import type { EventListener } from '../service/worker-context.ts'
import {
  addData,
  addExtractors,
  addLayer,
  type BuilderParts,
  planOf,
  type WorkerBuilderOptions,
  type WorkerSettings,
  workerSettings,
} from './builder-parts.ts'
import type { AckListener, BackendErrorHandler, RawService, WorkerPlan } from './plan.ts'
import { Worker } from './worker.ts'

/** Builds a {@link Worker}: begin with the backend, whose types the steps after it know. apalis's `WorkerBuilder`. */
export class WorkerBuilder {
  readonly #name: string
  readonly #settings: WorkerSettings

  /** `name`: 1 to 255 bytes; events and the storage's list of workers show it. Two workers of one name are two workers. */
  constructor(name: string, options: WorkerBuilderOptions = {}) {
    // Without this a worker on an older Node would fail at every claim, and only its listeners were told.
    if (!('withResolvers' in Promise)) {
      throw new Error(`workers need Node 22.18 or newer, and this is Node ${process.versions.node}`)
    }
    this.#name = text('worker name', name)
    this.#settings = workerSettings(options)
  }

  /** Where the tasks come from. */
  backend<Args, Result, Context>(
    backend: Backend<Args, Result, Context>,
  ): BoundWorkerBuilder<Args, Result, {}, Context> {
    if (typeof backend?.poll !== 'function') {
      throw new OptionError('backend', backend, 'a backend, that is an object with a poll method')
    }
    return new BoundWorkerBuilder({
      name: this.#name,
      settings: this.#settings,
      backend,
      data: {},
      extracted: [],
      layers: [],
      listeners: [],
      ackWith: [],
    })
  }
}

/** What listeners are told of a result: what the handler gives, unless `mapResult` has changed it to `Mapped`. */
export type ToldResult<Result, Mapped> = [Mapped] extends [never] ? Result : Mapped

/**
 * A builder that knows its backend. Each step returns a new builder and leaves this one as it is. Layers and extractors
 * run in the order in which they were added, the first outermost. What a handler, layer, extractor or extension needs
 * and nobody before it provided does not compile. `Result` is what the handler may give back, `Mapped` what the outermost
 * `mapResult` makes of it; never: there is none.
 */
export class BoundWorkerBuilder<
  in out Args,
  in out Result = unknown,
  out Data = {},
  out Context = unknown,
  in out Mapped = never,
> {
  readonly #parts: BuilderParts

  /** @internal */
  constructor(parts: BuilderParts) {
    this.#parts = parts
  }

  /** Values for everything inside: the same objects for every task. A name may be given once. apalis's `Data<T>`. */
  data<Added extends object>(
    added: Added,
  ): BoundWorkerBuilder<Args, Result, Data & Added, Context, Mapped> {
    return new BoundWorkerBuilder(addData(this.#parts, added))
  }

  /** Values that are got out of each request, one after the other. A throw fails the attempt. apalis's `FromRequest`. */
  extract<Found extends Extractors<Args, Data, Context>>(
    extractors: Found,
  ): BoundWorkerBuilder<Args, Result, Data & Extracted<Found>, Context, Mapped> {
    return new BoundWorkerBuilder(addExtractors(this.#parts, extractors))
  }

  /** A layer that adds to the data. */
  provide<Added extends object>(
    layer: ProvidingLayer<Added, Args, Data, Context>,
  ): BoundWorkerBuilder<Args, Result, Data & Added, Context, Mapped> {
    return new BoundWorkerBuilder(addLayer(this.#parts, layer))
  }

  /** A layer. apalis's and tower's `layer`. */
  layer(
    layer: ArgsLayer<Args, Data, Context>,
  ): BoundWorkerBuilder<Args, Result, Data, Context, Mapped> {
    return new BoundWorkerBuilder(addLayer(this.#parts, layer))
  }

  /** A layer as a plain function: `async (request, next) => { …; return await next() }`. See {@link use}. */
  use(
    fn: LayerFunction<Args, Data, Context>,
  ): BoundWorkerBuilder<Args, Result, Data, Context, Mapped> {
    return this.layer(use(fn))
  }

  /**
   * A layer that makes another result of what everything inside gives: the steps after it, and the handler, give an
   * `Inner`. A layer of its own cannot: only the builder knows what the backend takes. tower's `map_response`.
   */
  mapResult<Inner, Outer extends Result>(
    mapper: ResultMapper<Inner, Outer, Args, Data, Context>,
  ): BoundWorkerBuilder<Args, Inner, Data, Context, ToldResult<Outer, Mapped>> {
    return new BoundWorkerBuilder(addLayer(this.#parts, mapResult(mapper)))
  }

  /** Whatever a function makes of this builder: a bundle of steps under one name. apalis's `Ext`. */
  with<Next>(
    extension: (builder: BoundWorkerBuilder<Args, Result, Data, Context, Mapped>) => Next,
  ): Next {
    return func('with', extension)(this)
  }

  /** Hears of everything that happens in the worker, after those added before. */
  onEvent(
    listener: EventListener<Args, ToldResult<Result, Mapped>>,
  ): BoundWorkerBuilder<Args, Result, Data, Context, Mapped> {
    const { listeners } = this.#parts
    // The events it hears are those of its own backend.
    const forgotten = func('onEvent', listener) as EventListener
    return new BoundWorkerBuilder({ ...this.#parts, listeners: [...listeners, forgotten] })
  }

  /** Says whether to go on after a failed call to the backend; the last one given counts. @default 'retry', and 'end' for an error that is not transient */
  onBackendError(
    handler: BackendErrorHandler,
  ): BoundWorkerBuilder<Args, Result, Data, Context, Mapped> {
    const onBackendError = func('onBackendError', handler)
    return new BoundWorkerBuilder({ ...this.#parts, onBackendError })
  }

  /** Is told each outcome after it was settled. apalis's `ack_with`. */
  ackWith(
    listener: AckListener<Args, ToldResult<Result, Mapped>>,
  ): BoundWorkerBuilder<Args, Result, Data, Context, Mapped> {
    const { ackWith } = this.#parts
    // The outcomes it is told are those of its own backend.
    const forgotten = func('ackWith', listener) as AckListener
    return new BoundWorkerBuilder({ ...this.#parts, ackWith: [...ackWith, forgotten] })
  }

  /** The worker. `run`: a function of a task's args and its request, or a service. */
  build<Output extends Result>(
    run: Service<TaskRequest<Args, Data, Context>, Output> & NotFunction,
  ): Worker<Args, ToldResult<Output, Mapped>>
  // The last overload is the one that a compile error is about.
  build<Output extends Result>(
    run: Handler<Args, Data, Output, Context>,
  ): Worker<Args, ToldResult<Output, Mapped>>
  build<Output extends Result>(
    run:
      | Handler<Args, Data, Output, Context>
      | (Service<TaskRequest<Args, Data, Context>, Output> & NotFunction),
  ): Worker<Args, ToldResult<Output, Mapped>> {
    const service = typeof run === 'function' ? handlerService(run) : run
    if (typeof service?.call !== 'function') {
      throw new OptionError('build', run, 'a handler function or a service with a call method')
    }
    // The steps before this one have checked that the parts fit each other and the handler.
    const plan = planOf(this.#parts, service as RawService)
    return new Worker(plan as WorkerPlan<Args, ToldResult<Output, Mapped>>)
  }
}

/** Every function has a `call` of its own, which would make it a service. */
interface NotFunction {
  readonly apply?: never
}
