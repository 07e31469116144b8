import { OptionError } from '../internal/validate.ts'
import type { Handler } from '../service/service.ts'
import type { QueueContext } from '../task/task.ts'
import type { BoundWorkerBuilder } from '../worker/worker-builder.ts'
import type { Worker } from '../worker/worker.ts'

/** Makes the worker of the builder it is given, as for a `TestWorker`: `(worker) => worker.data({ smtp }).build(send)`. */
export type WorkerBuild<Args, Accepted, Output> = (
  worker: BoundWorkerBuilder<Args, Accepted, {}, QueueContext>,
) => Worker<unknown, Output>

/** What runs tasks in a test: a handler by itself, or within the data, extractors and layers that `build` puts around it. */
export type Runner<Args, Accepted, Output> =
  | Handler<Args, {}, Output, QueueContext>
  | { readonly build: WorkerBuild<Args, Accepted, Output> }

/** A {@link Runner}, or a handler whose data comes beside it: the signature that both came in by has checked that it fits. */
export type AnyRunner<Args, Accepted, Output> =
  | Runner<Args, Accepted, Output>
  | Handler<Args, never, Output, QueueContext>

/** The build of a runner. `data`: what a handler by itself is given. */
export function buildOf<Args, Accepted, Output extends Accepted>(
  run: AnyRunner<Args, Accepted, Output>,
  data: object | undefined,
): WorkerBuild<Args, Accepted, Output> {
  if (typeof run === 'function') {
    // See AnyRunner.
    const handler = run as Handler<Args, object, Output, QueueContext>
    return (worker) => (data === undefined ? worker : worker.data(data)).build(handler)
  }
  if (typeof run?.build !== 'function') {
    throw new OptionError('run', run, 'a handler, or an object with a function build')
  }
  if (data !== undefined) {
    throw new OptionError('data', data, 'none beside build, which gives the data itself')
  }
  return run.build
}
