import type { Backend } from '../backend/backend.ts'
import { concurrency } from '../layers/concurrency.ts'
import type { Event } from '../service/events.ts'
import type { Handler, Layer } from '../service/service.ts'
import type { EventListener, WorkerContext } from '../service/worker-context.ts'
import { ProcessScope } from '../storage/process-scope.ts'
import { Storage, type StorageOptions } from '../storage/storage.ts'
import type { TaskStore } from '../storage/task-store.ts'
import type { QueueContext } from '../task/task.ts'
import type { Clock } from '../time/clock.ts'
import type { Duration } from '../time/duration.ts'
import type { WorkerBuilderOptions } from '../worker/builder-parts.ts'
import type { Worker } from '../worker/worker.ts'
import { type BoundWorkerBuilder, WorkerBuilder } from '../worker/worker-builder.ts'
import { ProcessClock } from './process-clock.ts'
import { Wire } from './wire.ts'

/** Options of a simulated process: how wrong its wall clock is, and its storage's. */
export interface ProcessOptions extends Omit<StorageOptions, 'clock' | 'process'> {
  readonly skewMs?: number
}

/** How a worker of a simulated process runs. */
export interface WorkOptions extends WorkerBuilderOptions {
  /** @default 'worker' */
  readonly name?: string
  /** @default the worker's own default */
  readonly concurrency?: number
  /** After `concurrency`, outermost first. */
  readonly layers?: readonly Layer[]
  /** Beside the one that notes every event. */
  readonly listener?: EventListener
  readonly shutdownTimeout?: Duration
}

/** Steps of a worker's builder that are more than a layer. */
export interface BuilderSteps<in out Args, in out Result> {
  /** After `layers`. */
  readonly steps?: readonly ((
    builder: BoundWorkerBuilder<Args, Result, {}, QueueContext>,
  ) => BoundWorkerBuilder<Args, Result, {}, QueueContext>)[]
}

/** A worker that runs in a simulated process. */
export interface RunningWorker {
  readonly context: WorkerContext
  /** Everything that happened, oldest first. */
  readonly events: readonly Event[]
  /** Settles when `run` has returned. */
  readonly ended: Promise<void>
  /** Whether it has. */
  readonly over: boolean
}

/**
 * A simulated process: one storage over one connection, and the workers that run on it. It shares nothing with the others
 * but the data, and may be frozen or die at any moment.
 */
export class Process<Tx> {
  readonly clock: ProcessClock
  readonly wire: Wire<Tx>
  readonly storage: Storage<Tx>
  /** What its workers share. */
  readonly scope: ProcessScope = new ProcessScope()

  constructor(store: TaskStore<Tx>, base: Clock, { skewMs = 0, ...options }: ProcessOptions) {
    this.clock = new ProcessClock(base, skewMs)
    this.wire = new Wire(store)
    this.storage = new Storage(this.wire.store, {
      ...options,
      clock: this.clock,
      process: this.scope,
    })
  }

  /** Makes a worker without running it. */
  readonly prepare = <Args, Result>(
    backend: Backend<Args, Result, QueueContext>,
    handler: Handler<Args, {}, Result, QueueContext>,
    options: Omit<WorkOptions, 'shutdownTimeout'> & BuilderSteps<Args, Result> = {},
  ): Worker<Args, Result> => {
    const {
      name = 'worker',
      concurrency: limit,
      layers = [],
      steps = [],
      listener,
      ...settings
    } = options
    let builder = new WorkerBuilder(name, settings).backend(backend)
    if (listener !== undefined) builder = builder.onEvent(listener)
    if (limit !== undefined) builder = builder.layer(concurrency(limit))
    for (const layer of layers) builder = builder.layer(layer)
    for (const step of steps) builder = step(builder)
    return builder.build(handler)
  }

  /** Runs a worker, from now on. */
  readonly work = <Args, Result>(
    backend: Backend<Args, Result, QueueContext>,
    handler: Handler<Args, {}, Result, QueueContext>,
    { shutdownTimeout, ...options }: WorkOptions = {},
  ): RunningWorker => {
    const worker = this.prepare(backend, handler, options)
    const events: Event[] = []
    worker.listen((event) => {
      events.push(event)
    })
    const running = {
      context: worker.context,
      events,
      over: false,
      ended: worker.run(shutdownTimeout === undefined ? {} : { shutdownTimeout }).then(() => {
        running.over = true
      }),
    }
    return running
  }

  /** Its event loop stands still: neither timers nor calls nor answers get through. */
  freeze(): void {
    this.clock.freeze()
    this.wire.freeze()
  }

  /** It goes on where it stood, late. */
  thaw(): void {
    this.wire.thaw()
    this.clock.thaw()
  }

  /** It is gone, with all its workers; nothing that it still does is seen by anybody. */
  die(): void {
    this.clock.die()
    this.wire.die()
  }
}
