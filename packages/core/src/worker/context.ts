import { WorkerStateError } from '../errors/worker-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { OptionError } from '../internal/validate.ts'
import type { EmittedEvent } from '../service/events.ts'
import type { LayerInfo, WorkerContext, WorkerState } from '../service/worker-context.ts'

/** What the context asks of the worker it belongs to. */
export interface ContextHooks {
  /** The state changed. */
  readonly onChange: () => void
  readonly emit: (
    event: EmittedEvent | { readonly type: 'pause' } | { readonly type: 'resume' },
  ) => void
  /** Handlers running plus outcomes not yet durable. */
  readonly busy: () => number
  readonly leaked: () => number
  readonly capacity: () => number
  readonly layers: () => readonly LayerInfo[]
}

/** The state of a worker, and what others may ask of it. */
export class RunContext implements WorkerContext {
  readonly name: string
  readonly queue: string
  id: string
  readonly stopped: Promise<void>
  #state: WorkerState = 'pending'
  #tracked = 0
  readonly #stopping = new AbortController()
  #hooks: ContextHooks | undefined
  #onStopped: () => void = () => {}

  constructor(name: string, queue: string, id: string) {
    this.name = name
    this.queue = queue
    this.id = id
    this.stopped = new Promise((resolve) => {
      this.#onStopped = resolve
    })
  }

  /** Ties the context to its worker; once. */
  attach(hooks: ContextHooks): void {
    this.#hooks = hooks
  }

  get state(): WorkerState {
    return this.#state
  }

  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  get layers(): readonly LayerInfo[] {
    return this.#hooks?.layers() ?? []
  }

  get tracked(): number {
    return this.#tracked
  }

  get taskCount(): number {
    return this.#tracked + (this.#hooks?.busy() ?? 0)
  }

  get leaked(): number {
    return this.#hooks?.leaked() ?? 0
  }

  pause(): void {
    this.#move('pause', 'running', 'paused')
    this.#hooks?.emit({ type: 'pause' })
  }

  resume(): void {
    this.#move('resume', 'paused', 'running')
    this.#hooks?.emit({ type: 'resume' })
  }

  stop(): void {
    if (this.#state === 'stopping' || this.#state === 'stopped') return
    if (this.#state === 'pending') {
      this.end()
      return
    }
    this.#state = 'stopping'
    this.#stopping.abort()
    this.#hooks?.onChange()
  }

  isReady(): boolean {
    return this.#state === 'running' && (this.#hooks?.capacity() ?? 0) > 0
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
    return this.taskCount > 0
  }

  track<Value>(promise: Promise<Value>): Promise<Value> {
    if (!isPromise(promise)) throw new OptionError('track', promise, 'a promise')
    this.#tracked += 1
    const ended = (): void => {
      this.#tracked -= 1
      this.#hooks?.onChange()
    }
    promise.then(ended, ended)
    return promise
  }

  emit(event: EmittedEvent): void {
    this.#hooks?.emit(event)
  }

  /** From pending to running; throws `WorkerStateError` when it has run before. False: it was stopped before it ran. */
  start(): boolean {
    if (this.#state === 'stopped' && !this.#started) {
      this.#started = true
      return false
    }
    if (this.#started) throw new WorkerStateError(this.name, 'run', this.#describe())
    this.#started = true
    this.#state = 'running'
    return true
  }

  #started = false

  /** The end: everything is drained. */
  end(): void {
    this.#state = 'stopped'
    this.#stopping.abort()
    this.#onStopped()
  }

  #describe(): string {
    return this.#state === 'stopped' ? 'stopped; a worker runs once' : this.#state
  }

  #move(operation: string, from: WorkerState, to: WorkerState): void {
    if (this.#state !== from) throw new WorkerStateError(this.name, operation, this.#state)
    this.#state = to
    this.#hooks?.onChange()
  }
}
