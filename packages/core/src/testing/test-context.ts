import { WorkerStateError } from '../errors/worker-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { OptionError } from '../internal/validate.ts'
import type { EmittedEvent } from '../service/events.ts'
import type { LayerInfo, WorkerContext, WorkerState } from '../service/worker-context.ts'

/** The worker of a {@link TestRequest}: runs nothing, and keeps what it is told. */
export class TestContext implements WorkerContext {
  readonly name: string
  readonly queue: string
  readonly id = 'test-incarnation'
  readonly layers: readonly LayerInfo[] = []
  readonly leaked = 0
  /** What was emitted, oldest first. */
  readonly events: EmittedEvent[] = []
  readonly stopped: Promise<void>
  readonly #stopping = new AbortController()
  #state: WorkerState = 'running'
  #tracked = 0
  #tellStopped: () => void = () => {}

  constructor(name = 'test-worker', queue = 'test-queue') {
    this.name = name
    this.queue = queue
    this.stopped = new Promise((resolve) => {
      this.#tellStopped = resolve
    })
  }

  get state(): WorkerState {
    return this.#state
  }

  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  /** Promises tracked that have not settled. */
  get taskCount(): number {
    return this.#tracked
  }

  pause(): void {
    if (this.#state !== 'running') throw new WorkerStateError(this.name, 'pause', this.#state)
    this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') throw new WorkerStateError(this.name, 'resume', this.#state)
    this.#state = 'running'
  }

  /** Stops as soon as everything tracked has settled. */
  stop(): void {
    if (this.isShuttingDown()) return
    this.#state = 'stopping'
    this.#stopping.abort()
    this.#endIfIdle()
  }

  isReady(): boolean {
    return this.#state === 'running'
  }

  isRunning(): boolean {
    return this.#state === 'running'
  }

  isPaused(): boolean {
    return this.#state === 'paused'
  }

  isShuttingDown(): boolean {
    return this.#state === 'stopping' || this.#state === 'stopped'
  }

  hasPendingTasks(): boolean {
    return this.#tracked > 0
  }

  track<Value>(promise: Promise<Value>): Promise<Value> {
    if (!isPromise(promise)) throw new OptionError('track', promise, 'a promise')
    this.#tracked += 1
    const end = (): void => {
      this.#tracked -= 1
      this.#endIfIdle()
    }
    promise.then(end, end)
    return promise
  }

  emit(event: EmittedEvent): void {
    this.events.push(event)
  }

  #endIfIdle(): void {
    if (this.#state !== 'stopping' || this.#tracked > 0) return
    this.#state = 'stopped'
    this.#tellStopped()
  }
}
