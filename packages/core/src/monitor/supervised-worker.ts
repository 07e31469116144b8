import { isWorkerError, WorkerError } from '../errors/worker-errors.ts'
import { OptionError } from '../internal/validate.ts'
import { channels } from '../service/diagnostics.ts'
import type { EventListener, WorkerContext } from '../service/worker-context.ts'
import { type Clock, sleep, type Timer } from '../time/clock.ts'
import { durationMs } from '../time/duration.ts'
import type { Worker } from '../worker/worker.ts'
import type { WorkerHealth } from './health.ts'
import { Pulse } from './pulse.ts'
import type { RestartPolicy } from './restart-policy.ts'
import type { Shutdown } from './shutdown.ts'
import { UnbuiltWorker } from './unbuilt-worker.ts'

/** A worker of any arguments and results: a monitor's workers differ in theirs. */
// Both vary both ways in a worker, so only `any` stands for every one.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyWorker = Worker<any, any>

/** Makes a worker; `attempt` is 0 at first, then one more for each restart. Called when the monitor runs, never before. */
export type WorkerFactory = (attempt: number) => AnyWorker

/** What a monitor and its workers have in common. */
export interface Supervision {
  readonly clock: Clock
  readonly shutdown: Shutdown
  /** The monitor's listeners; may grow while workers run. */
  readonly listeners: readonly EventListener[]
  readonly shouldRestart: RestartPolicy
  /** How long a worker may take to end after it was aborted. */
  readonly abandonAfterMs: number
  /** Tells the listeners that a callback of the user's failed. */
  readonly report: (worker: WorkerContext, operation: string, error: unknown) => void
}

/** One registration of a monitor: the worker that its factory made last, and how often it was made. */
export class SupervisedWorker {
  readonly #factory: WorkerFactory
  readonly #supervision: Supervision
  #pulse: Pulse
  /** The worker that runs. */
  #worker: AnyWorker | undefined
  /** That worker's, or the last one's. */
  #context: WorkerContext
  #listening: (() => void)[] = []
  #restarts = 0
  /** Failures since a task last succeeded. */
  #failures = 0
  #error: WorkerError | undefined
  #givenUp = false
  #abandon: (error: WorkerError) => void = () => {}
  #abandonTimer: Timer | undefined

  constructor(factory: WorkerFactory, name: string, supervision: Supervision) {
    this.#factory = factory
    this.#supervision = supervision
    this.#pulse = new Pulse(supervision.clock)
    this.#context = new UnbuiltWorker(name)
  }

  /** The worker that runs, if one does. */
  get running(): WorkerContext | undefined {
    return this.#worker?.context
  }

  /** Runs the worker, and again after failures as the policy says. Answers with the failure that it could not get over. */
  async run(): Promise<WorkerError | undefined> {
    const { clock, shutdown } = this.#supervision
    while (!shutdown.isShuttingDown()) {
      this.#error = await this.#runOnce()
      if (this.#error !== undefined) this.#publish('failure')
      if (this.#error === undefined || shutdown.isShuttingDown()) break
      const delayMs = this.#restartDelayMs(this.#error)
      if (delayMs === undefined) break
      await sleep(clock, delayMs, { signal: shutdown.signal })
      if (!shutdown.isShuttingDown()) this.#restarts += 1
    }
    this.#givenUp = this.#error !== undefined
    if (this.#givenUp) this.#publish('givenUp')
    return this.#error
  }

  #publish(type: 'worker' | 'failure' | 'givenUp'): void {
    if (!channels.monitor.hasSubscribers) return
    const error = this.#error
    channels.monitor.publish({
      type,
      worker: this.#context.name,
      restarts: this.#restarts,
      ...(error !== undefined && { error }),
    })
  }

  /** Begins the graceful stop of the worker that runs. */
  stop(): void {
    this.#worker?.context.stop()
  }

  /** Ends the patience with the worker that runs: its tasks are interrupted, and if even so it does not end, it is left alone. */
  abort(): void {
    if (this.#worker === undefined || this.#abandonTimer !== undefined) return
    const { clock, abandonAfterMs } = this.#supervision
    this.#abandonTimer = clock.setTimer(() => {
      const message = `it was aborted, and has not stopped within ${abandonAfterMs} ms`
      this.#abandon(new WorkerError(this.#context.name, message))
    }, abandonAfterMs)
    this.#worker.abort()
  }

  /** Adds a listener of the monitor's to the worker that runs. */
  listen(listener: EventListener): void {
    if (this.#worker !== undefined) this.#listening.push(this.#worker.listen(listener))
  }

  /** Tells the monitor's listeners that something of the user's failed on behalf of this worker. */
  report(operation: string, error: unknown): void {
    this.#supervision.report(this.#context, operation, error)
  }

  /** Whether it is well, as far as a probe is concerned. */
  isHealthy(staleAfterMs: number): boolean {
    if (this.#givenUp) return false
    return this.#worker === undefined || this.#pulse.isFresh(staleAfterMs)
  }

  health(): WorkerHealth {
    const { name, id, state, taskCount } = this.#context
    const { lastBeatAt, lastGoodCallAt } = this.#pulse
    return {
      name,
      id,
      state,
      ...(lastBeatAt === undefined ? {} : { lastBeatAt }),
      ...(lastGoodCallAt === undefined ? {} : { lastGoodCallAt }),
      inFlight: taskCount,
      restarts: this.#restarts,
      givenUp: this.#givenUp,
      ...(this.#error === undefined ? {} : { error: this.#error.message }),
    }
  }

  async #runOnce(): Promise<WorkerError | undefined> {
    let worker: AnyWorker
    try {
      worker = checkWorker(this.#factory(this.#restarts))
    } catch (error) {
      this.report('factory', error)
      return toWorkerError(this.#context.name, error, 'its factory failed: ')
    }
    // The factory itself may have started the shutdown: nobody would stop this worker.
    if (this.#supervision.shutdown.isShuttingDown()) return this.#error
    return this.#runWorker(worker)
  }

  async #runWorker(worker: AnyWorker): Promise<WorkerError | undefined> {
    const pulse = new Pulse(this.#supervision.clock)
    this.#worker = worker
    this.#context = worker.context
    this.#pulse = pulse
    this.#error = undefined
    this.#publish('worker')
    const abandoned = new Promise<never>((_resolve, reject) => {
      this.#abandon = reject
    })
    try {
      this.listen((event) => {
        pulse.note(event)
        if (event.type === 'success') this.#failures = 0
      })
      for (const listener of this.#supervision.listeners) this.listen(listener)
      await Promise.race([worker.run(), abandoned])
      return undefined
    } catch (error) {
      return toWorkerError(worker.name, error)
    } finally {
      this.#abandonTimer?.cancel()
      for (const off of this.#listening) off()
      this.#listening = []
      this.#worker = undefined
    }
  }

  /** How long to wait before the restart after `error`; undefined: there is none. */
  #restartDelayMs(error: WorkerError): number | undefined {
    const attempt = this.#failures
    this.#failures += 1
    try {
      const answer: unknown = this.#supervision.shouldRestart(this.#context, error, attempt)
      if (answer === false) return undefined
      // What it rejects with later is not what it answered; unheard, it would end the process.
      if (answer instanceof Promise) answer.catch(() => {})
      return durationMs('shouldRestart', answer)
    } catch (mistake) {
      this.report('shouldRestart', mistake)
      this.#error = new WorkerError(
        this.#context.name,
        `its restart policy failed: ${textOf(mistake)}; it was asked about: ${error.message}`,
        { cause: new AggregateError([error, mistake]) },
      )
      return undefined
    }
  }
}

function checkWorker(worker: AnyWorker): AnyWorker {
  // A factory without types may answer with anything; a promise is the likely mistake.
  const { run, listen, context } = (worker ?? {}) as Partial<AnyWorker>
  if (typeof run !== 'function' || typeof listen !== 'function' || context === undefined) {
    throw new OptionError('register factory', worker, 'a factory that answers with a worker')
  }
  return worker
}

function toWorkerError(worker: string, error: unknown, what = ''): WorkerError {
  if (isWorkerError(error)) return error
  return new WorkerError(worker, `${what}${textOf(error)}`, { cause: error })
}

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error)
  } catch {
    // Whatever was thrown, its text is a courtesy.
    return 'an error that cannot be shown'
  }
}
