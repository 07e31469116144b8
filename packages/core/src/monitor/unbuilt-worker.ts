import { WorkerStateError } from '../errors/worker-errors.ts'
import type { LayerInfo, WorkerContext, WorkerState } from '../service/worker-context.ts'

/** Stands for a worker whose factory threw before there ever was one: it has stopped, and does nothing. */
export class UnbuiltWorker implements WorkerContext {
  readonly name: string
  readonly queue = ''
  readonly id = ''
  readonly state: WorkerState = 'stopped'
  readonly stopped: Promise<void> = Promise.resolve()
  readonly taskCount = 0
  readonly leaked = 0
  readonly signal: AbortSignal = AbortSignal.abort()
  readonly layers: readonly LayerInfo[] = []

  constructor(name: string) {
    this.name = name
  }

  pause(): void {
    throw new WorkerStateError(this.name, 'pause', this.state)
  }

  resume(): void {
    throw new WorkerStateError(this.name, 'resume', this.state)
  }

  stop(): void {}

  isReady(): boolean {
    return false
  }

  isRunning(): boolean {
    return false
  }

  isPaused(): boolean {
    return false
  }

  isShuttingDown(): boolean {
    return true
  }

  hasPendingTasks(): boolean {
    return false
  }

  track<Value>(promise: Promise<Value>): Promise<Value> {
    return promise
  }

  emit(): void {}
}
