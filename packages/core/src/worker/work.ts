import type { Backend } from '../backend/backend.ts'
import { anObject } from '../internal/validate.ts'
import { concurrency } from '../layers/concurrency.ts'
import type { Handler } from '../service/service.ts'
import type { RunOptions } from './worker.ts'
import { WorkerBuilder } from './worker-builder.ts'

/** How {@link work} runs. */
export interface WorkOptions extends RunOptions {
  /** Of the worker. @default the backend's name */
  readonly name?: string
  /** The most handlers at a time. @default 10 */
  readonly concurrency?: number
}

/** Runs one worker on a backend: short for a `WorkerBuilder` with `concurrency`, its `build` and its `run`. */
export async function work<Args, Result, Context>(
  backend: Backend<Args, Result, Context>,
  handler: Handler<Args, {}, Result, Context>,
  options: WorkOptions = {},
): Promise<void> {
  const { name = backend?.name, concurrency: limit = 10, ...running } = anObject('work', options)
  await new WorkerBuilder(name)
    .backend(backend)
    .layer(concurrency(limit))
    .build(handler)
    .run(running)
}
