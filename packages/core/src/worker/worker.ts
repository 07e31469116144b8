import type { Event } from '../service/events.ts'
import type { EventListener, WorkerContext } from '../service/worker-context.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { isPromise } from '../internal/promise.ts'
import { func, knownKeys, OptionError } from '../internal/validate.ts'
import { RunContext } from './context.ts'
import { Emitter } from './emitter.ts'
import { EventStream } from './event-stream.ts'
import { newIncarnation } from './incarnation-id.ts'
import type { WorkerPlan } from './plan.ts'
import { Run } from './run.ts'

/** How to run a worker. */
export interface RunOptions {
  /** Its abort begins the graceful stop. */
  readonly signal?: AbortSignal
  /** How long after the stop began running tasks may take; then they are interrupted. @default none: as long as they need */
  readonly shutdownTimeout?: Duration
}

/** A run that may begin. */
interface Begun {
  /** False: it was stopped before. */
  readonly runs: boolean
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
}

/** Claims tasks from one backend and runs them through its layers to its handler; once. Made by a `WorkerBuilder`. apalis's `Worker`. */
export class Worker<Args = unknown, Result = unknown> {
  readonly name: string
  readonly #plan: WorkerPlan<unknown, unknown>
  readonly #context: RunContext
  readonly #emitter: Emitter
  readonly #run: Run
  #held: () => boolean = () => false

  constructor(plan: WorkerPlan<Args, Result>) {
    this.name = plan.name
    // From here on the types of one worker's tasks no longer matter.
    this.#plan = plan as unknown as WorkerPlan<unknown, unknown>
    this.#context = new RunContext(plan.name, plan.backend.name, newIncarnation(plan.clock))
    this.#emitter = new Emitter(this.#context, plan.clock)
    for (const listener of plan.listeners) this.#emitter.listen(listener)
    this.#run = new Run(this.#plan, this.#context, this.#emitter, () => this.#held())
  }

  /** The worker as its handlers see it. */
  get context(): WorkerContext {
    return this.#context
  }

  /** Begins the graceful stop and returns at once. */
  stop(): void {
    this.#context.stop()
  }

  /** Ends the wait of a graceful stop: running tasks are interrupted now, as when the shutdown deadline passes. */
  abort(): void {
    if (this.#context.state === 'pending') this.#context.stop()
    if (this.#context.state !== 'stopped') this.#run.abort()
  }

  /** Adds a listener after those of the builder; the answer takes it off. */
  listen(listener: EventListener<Args, Result>): () => void {
    // The plan's types: whatever this worker tells fits its listeners.
    return this.#emitter.listen(func('listen', listener) as EventListener)
  }

  /**
   * Runs until stopped: then no more claims, what runs finishes, and every outcome is durable or the deadline has passed.
   * Returns at once when it was stopped before. Throws `WorkerStateError` when it ran before, `WorkerError` for what
   * cannot heal.
   */
  async run(options: RunOptions = {}): Promise<void> {
    await this.#running(this.#begin(options))
  }

  /** Runs until `until` settles or aborts, or until stopped. A rejection is thrown on, after the graceful stop. */
  async runUntil(until: Promise<unknown> | AbortSignal, options: RunOptions = {}): Promise<void> {
    if (until instanceof AbortSignal) {
      const signal = options.signal === undefined ? until : AbortSignal.any([until, options.signal])
      await this.run({ ...options, signal })
      return
    }
    if (!isPromise(until)) throw new OptionError('runUntil', until, 'a promise or an AbortSignal')
    // Before anything that would stop the worker: what is refused here may run by another call.
    const begun = this.#begin(options)
    let rejected: { readonly error: unknown } | undefined
    const watched = Promise.resolve(until).then(
      () => this.stop(),
      (error: unknown) => {
        rejected = { error }
        this.stop()
      },
    )
    await this.#running(begun)
    if (rejected !== undefined) throw rejected.error
    void watched
  }

  /** Runs while `drive` does: it may pause, resume and stop the worker, and its end stops it. */
  async runUntilCtx(
    drive: (worker: WorkerContext) => Promise<unknown>,
    options: RunOptions = {},
  ): Promise<void> {
    func('runUntilCtx', drive)
    const running = this.#running(this.#begin(options))
    // Both fail as one: the run's failure goes first, and the run is awaited whatever happens.
    const driven = (async () => drive(this.#context))().finally(() => this.stop())
    const [drove, ran] = await Promise.allSettled([Promise.race([driven, running]), running])
    if (ran.status === 'rejected') throw ran.reason
    if (drove.status === 'rejected') throw drove.reason
  }

  /**
   * Runs while its events are read: starts at the first `next()`; while the reader does not keep up nothing is claimed; a
   * `break` stops and drains.
   */
  stream(options: RunOptions = {}): AsyncIterableIterator<Event<Args, Result>> {
    const stream = new EventStream<Args, Result>(this.#plan.eventBuffer, {
      run: () => this.run(options),
      stop: () => this.stop(),
      listen: (listener) => this.listen(listener),
      recheck: () => this.#run.recheck(),
    })
    this.#held = () => stream.full
    return stream
  }

  /** From pending to running, or to stopped where it was stopped before; throws what keeps it from running. */
  #begin(options: RunOptions): Begun {
    knownKeys('run', options, ['signal', 'shutdownTimeout'])
    const { signal, shutdownTimeout } = options
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new OptionError('run.signal', signal, 'an AbortSignal')
    }
    const timeoutMs =
      shutdownTimeout === undefined ? undefined : durationMs('shutdownTimeout', shutdownTimeout)
    if (signal?.aborted === true) this.#context.stop()
    return { runs: this.#context.start(), signal, timeoutMs }
  }

  async #running({ runs, signal, timeoutMs }: Begun): Promise<void> {
    if (!runs) return
    const stop = (): void => this.#context.stop()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      await this.#run.run(timeoutMs)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Stops and waits for the drained end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
    await this.#context.stopped
  }
}
