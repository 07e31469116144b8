import type { Backend } from '../backend/backend.ts'
import { func, OptionError } from '../internal/validate.ts'
import type { Event } from '../service/events.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { WorkerBuilderOptions } from '../worker/builder-parts.ts'
import { type BoundWorkerBuilder, WorkerBuilder } from '../worker/worker-builder.ts'
import { Worker } from '../worker/worker.ts'
import { type Ask, AskedBackend } from './asked-backend.ts'
import { endOf, type TaskEnd } from './task-end.ts'

/** The run of one `executeNext`. */
interface Execution<Result> extends Ask {
  readonly end: PromiseWithResolvers<TaskEnd<Result> | undefined>
}

/**
 * A worker for tests of handlers: a real one, with layers, lease and outcomes, that runs a task only when it is asked to,
 * and one at a time. It begins with the first task asked for. On a queue with a `TestClock` nothing waits for real time:
 * `clock.advance` makes retries due. apalis's `TestWorker`.
 *
 * `build` makes the worker, named `test-worker`, of the builder it is given:
 * `new TestWorker(emails, (worker) => worker.data({ smtp }).build(sendEmail))`.
 */
export class TestWorker<Result = unknown, Args = unknown, Accepted = unknown, Context = unknown> {
  readonly #source: AskedBackend<Args, Accepted, Context>
  readonly #worker: Worker<unknown, Result>
  #execution: Execution<Result> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #running: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(
    backend: Backend<Args, Accepted, Context>,
    build: (worker: BoundWorkerBuilder<Args, Accepted, {}, Context>) => Worker<unknown, Result>,
    options: WorkerBuilderOptions = {},
  ) {
    this.#source = new AskedBackend(backend)
    const builder = new WorkerBuilder('test-worker', options).backend(this.#source.backend())
    const middleware = backend.middleware?.()
    const worker = func('build', build)(middleware ? builder.layer(middleware) : builder)
    if (!(worker instanceof Worker) || worker.context.layers[0]?.name !== 'asked') {
      throw new OptionError('build', worker, 'a function that builds the worker it is given')
    }
    this.#worker = worker
    worker.listen((event) => this.#hear(event))
  }

  /** The worker as its handlers see it. */
  get context(): WorkerContext {
    return this.#worker.context
  }

  /**
   * Runs the next task, and answers with its end when that is durable, after all listeners were told. Undefined: nothing
   * is due, the queue is paused, or the worker has stopped. Calls made while one is under way follow it. Waits while the worker is paused or
   * its layers take nothing; rejects with the `WorkerError` when the worker failed.
   */
  executeNext(): Promise<TaskEnd<Result> | undefined> {
    const ended = this.#last.then(() => this.#execute())
    this.#last = ended.catch(() => {
      // Whoever made that call hears of it; the next one is another matter.
    })
    return ended
  }

  /** The ends of all tasks, until nothing is due or the worker has stopped. */
  async *stream(): AsyncGenerator<TaskEnd<Result>, undefined> {
    for (;;) {
      const end = await this.executeNext()
      if (end === undefined) return
      yield end
    }
  }

  /** Stops the worker and waits for the drained end: what runs finishes. */
  async stop(): Promise<void> {
    this.#worker.stop()
    await this.#run()
  }

  /** Ends the wait of a stop: what runs is interrupted now, as when the deadline of a shutdown passes. */
  abort(): void {
    this.#worker.abort()
  }

  /** Stops and waits for the drained end. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #execute(): Promise<TaskEnd<Result> | undefined> {
    const end = Promise.withResolvers<TaskEnd<Result> | undefined>()
    const onIdle = (): void => end.resolve(undefined)
    this.#execution = { claimed: undefined, begun: false, onIdle, end }
    this.#source.ask(this.#execution)
    const stopped = this.#run().then(() => undefined)
    const ended = await Promise.race([end.promise, stopped])
    if (ended === undefined && this.#failure !== undefined) throw this.#failure.error
    return ended
  }

  #run(): Promise<void> {
    this.#running ??= this.#worker.run().catch((error: unknown) => {
      this.#failure = { error }
    })
    return this.#running
  }

  #hear(event: Event<unknown, Result>): void {
    const end = endOf(event)
    if (end !== undefined && end.taskId === this.#execution?.claimed) {
      this.#execution.end.resolve(end)
    }
  }
}
