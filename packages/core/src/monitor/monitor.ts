import { MonitorError } from '../errors/worker-errors.ts'
import { func, knownKeys, OptionError } from '../internal/validate.ts'
import { channels } from '../service/diagnostics.ts'
import type { EventListener, WorkerContext } from '../service/worker-context.ts'
import { checkClock, type Clock, sleep, systemClock } from '../time/clock.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { Emitter } from '../worker/emitter.ts'
import type { MonitorHealth } from './health.ts'
import { LoopDelay } from './loop-delay.ts'
import { type MonitorState, MonitorStateError } from './monitor-state-error.ts'
import { onSignals, type SignalName, signalNames } from './process-signals.ts'
import { defaultRestartPolicy, type RestartPolicy } from './restart-policy.ts'
import { Shutdown } from './shutdown.ts'
import { SupervisedWorker, type Supervision, type WorkerFactory } from './supervised-worker.ts'

/** Options of a {@link Monitor}. */
export interface MonitorOptions {
  /** @default the system's */
  readonly clock?: Clock
  /** Stops this monitor when it starts; may be shared. @default one of its own */
  readonly shutdown?: Shutdown
  /** How old the last beat of a healthy worker may be. Raise it with the lease. @default '30s' */
  readonly staleAfter?: Duration
  /** How long a worker may take to end after it was aborted; then it is left alone, and reported. @default '15s' */
  readonly abandonAfter?: Duration
}

/** Options of {@link Monitor.run}. */
export interface MonitorRunOptions {
  /** Starts the shutdown when it aborts. */
  readonly signal?: AbortSignal
}

/** Waits for what shall end the wait for the workers; `signal` aborts when the wait has ended without it. */
export type Terminator = (signal: AbortSignal) => Promise<void>

/**
 * Runs several workers, makes those anew that failed, and stops all of them together. It runs once. apalis's `Monitor`.
 */
export class Monitor {
  readonly #clock: Clock
  readonly #shutdown: Shutdown
  readonly #staleAfterMs: number
  readonly #abandonAfterMs: number
  readonly #loopDelay: LoopDelay
  readonly #listeners: EventListener[] = []
  readonly #supervised: SupervisedWorker[] = []
  readonly #errors: Error[] = []
  #shouldRestart: RestartPolicy = defaultRestartPolicy
  #terminator: Terminator
  #state: MonitorState = 'pending'
  /** Of the supervised workers, those whose supervision has not ended. */
  #active = 0
  /** Aborts when nobody is waited for any longer: all have ended, or are interrupted. */
  readonly #waitOver = new AbortController()
  #onEnded: () => void = () => {}

  constructor(options: MonitorOptions = {}) {
    knownKeys('Monitor', options, ['clock', 'shutdown', 'staleAfter', 'abandonAfter'])
    const {
      clock = systemClock,
      shutdown = new Shutdown(),
      staleAfter = '30s',
      abandonAfter = '15s',
    } = options
    if (!(shutdown instanceof Shutdown)) {
      throw new OptionError('Monitor.shutdown', shutdown, 'a Shutdown')
    }
    this.#clock = checkClock('Monitor.clock', clock)
    this.#shutdown = shutdown
    this.#staleAfterMs = durationMs('Monitor.staleAfter', staleAfter, { min: 1 })
    this.#abandonAfterMs = durationMs('Monitor.abandonAfter', abandonAfter)
    this.#loopDelay = new LoopDelay(clock)
    this.#terminator = this.#after('25s')
  }

  /**
   * Adds a worker. `factory` is called when the monitor runs, at once if it does, and again for every restart; one that
   * throws is that worker's failure. Each call has to answer with a new worker. During a shutdown nothing is started;
   * after the run has ended it throws a `MonitorStateError`.
   */
  register(factory: WorkerFactory): this {
    func('register factory', factory)
    if (this.#state === 'stopped')
      throw new MonitorStateError('register a worker with', this.#state)
    const name = `worker-${this.#supervised.length + 1}`
    const worker = new SupervisedWorker(factory, name, this.#supervision())
    this.#supervised.push(worker)
    if (this.#state === 'running') this.#start(worker)
    return this
  }

  /**
   * Adds a listener for the events of all workers, after their own. It hears of a factory, restart policy or terminator
   * that failed by an `error` event with that `operation`. One that throws disturbs nothing and is reported to the others.
   */
  onEvent(listener: EventListener): this {
    func('onEvent listener', listener)
    this.#listeners.push(listener)
    for (const worker of this.#supervised) worker.listen(listener)
    return this
  }

  /** Replaces the restart policy: by default three restarts, after 1 s, 2 s and 4 s, counted anew after a success. */
  shouldRestart(policy: RestartPolicy): this {
    this.#shouldRestart = func('shouldRestart policy', policy)
    return this
  }

  /** How long the workers may take to stop before their tasks are interrupted. Replaces the terminator. @default '25s' */
  shutdownTimeout(timeout: Duration): this {
    this.#terminator = this.#after(timeout)
    return this
  }

  /**
   * Replaces the shutdown timeout: `terminator` is called when the shutdown begins, and when it settles, by whatever
   * end, the tasks that still run are interrupted.
   */
  withTerminator(terminator: Terminator): this {
    this.#terminator = func('withTerminator terminator', terminator)
    return this
  }

  /**
   * Runs all workers until each has ended: gracefully, by a failure without restart, or in the shutdown, which the
   * shared token or `signal` starts. Resolves at once when nothing is registered or the shutdown has started before.
   * Rejects with a `MonitorError` of every failure that no restart healed, one whose restart the shutdown cut off
   * included; with a `MonitorStateError` when it has run before.
   */
  async run(options: MonitorRunOptions = {}): Promise<void> {
    knownKeys('Monitor.run', options, ['signal'])
    const { signal } = options
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new OptionError('Monitor.run.signal', signal, 'an AbortSignal')
    }
    if (this.#state !== 'pending') throw new MonitorStateError('run', this.#state)
    this.#state = 'running'
    if (channels.monitor.hasSubscribers) channels.monitor.publish({ type: 'start' })
    const ended = new Promise<void>((resolve) => {
      this.#onEnded = resolve
    })
    const offSignal = onAbort(signal, () => this.#shutdown.start())
    const offShutdown = onAbort(this.#shutdown.signal, () => this.#stop())
    this.#loopDelay.start()
    try {
      // A factory may register more, which start by themselves.
      for (const worker of this.#supervised.slice()) this.#start(worker)
      if (this.#active === 0) this.#end()
      await ended
    } finally {
      offSignal()
      offShutdown()
      this.#loopDelay.stop()
    }
    if (this.#errors.length > 0) throw new MonitorError(this.#errors)
  }

  /**
   * As {@link run}, and the first of `signals` that the process gets starts the shutdown; a second one ends the wait for
   * running tasks at once. The handlers are there from the call to the end of the run.
   */
  async runWithSignal(signals: readonly SignalName[] = ['SIGINT', 'SIGTERM']): Promise<void> {
    const names = signalNames('runWithSignal signals', signals)
    let received = 0
    const off = onSignals(names, () => {
      received += 1
      if (received === 1) this.#shutdown.start()
      else this.#endWait()
    })
    try {
      await this.run()
    } finally {
      off()
    }
  }

  /** The workers that run now, in the order they were registered. */
  workers(): readonly WorkerContext[] {
    return this.#supervised.flatMap(({ running }) => (running === undefined ? [] : [running]))
  }

  /** How the monitor and each of its workers are. */
  health(): MonitorHealth {
    const runs = this.#state === 'running' || this.#state === 'stopping'
    return {
      healthy: runs && this.#supervised.every((worker) => worker.isHealthy(this.#staleAfterMs)),
      state: this.#state,
      workers: this.#supervised.map((worker) => worker.health()),
      loopDelayMs: this.#loopDelay.longestMs(),
    }
  }

  #supervision(): Supervision {
    return {
      clock: this.#clock,
      shutdown: this.#shutdown,
      listeners: this.#listeners,
      // The policy may be replaced while workers run.
      shouldRestart: (worker, error, attempt) => this.#shouldRestart(worker, error, attempt),
      abandonAfterMs: this.#abandonAfterMs,
      report: (worker, operation, error) => {
        const emitter = new Emitter(worker, this.#clock)
        for (const listener of this.#listeners) emitter.listen(listener)
        emitter.emit({ type: 'error', operation, error })
      },
    }
  }

  #after(timeout: Duration): Terminator {
    const ms = durationMs('shutdownTimeout', timeout)
    return (signal) => sleep(this.#clock, ms, { signal })
  }

  #start(worker: SupervisedWorker): void {
    this.#active += 1
    const ended = (error: unknown): void => {
      if (error instanceof Error) this.#errors.push(error)
      this.#active -= 1
      if (this.#active === 0) this.#end()
    }
    // It should not reject; but a run that waits for ever would be worse than an error nobody foresaw.
    void worker.run().then(ended, ended)
  }

  /** The shutdown has started: all workers stop, for as long as the terminator waits. */
  #stop(): void {
    // The last worker may have ended in this very turn.
    if (this.#state !== 'running') return
    this.#state = 'stopping'
    if (channels.monitor.hasSubscribers) channels.monitor.publish({ type: 'shutdown' })
    for (const worker of this.#supervised) worker.stop()
    void this.#wait()
  }

  async #wait(): Promise<void> {
    try {
      await this.#terminator(this.#waitOver.signal)
    } catch (error) {
      // One that was told to stop waiting may well reject for that.
      if (this.#waitOver.signal.aborted) return
      for (const worker of this.#supervised) {
        if (worker.running !== undefined) worker.report('terminator', error)
      }
    }
    this.#endWait()
  }

  #endWait(): void {
    this.#waitOver.abort()
    for (const worker of this.#supervised) worker.abort()
  }

  #end(): void {
    this.#state = 'stopped'
    if (channels.monitor.hasSubscribers) channels.monitor.publish({ type: 'stop' })
    this.#waitOver.abort()
    this.#onEnded()
  }
}

/** Calls back once when `signal` aborts, at once when it has. The answer ends that. */
function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal?.aborted === true) callback()
  else signal?.addEventListener('abort', callback, { once: true })
  return () => signal?.removeEventListener('abort', callback)
}
