import { ApalisError, hasCode } from '../internal/apalis-error.ts'

/** A run of a worker ended for something that cannot heal. apalis's `WorkerError`. */
export class WorkerError extends ApalisError {
  readonly worker: string

  constructor(worker: string, message: string, options?: ErrorOptions) {
    super('ERR_WORKER', `worker "${worker}" ended: ${message}`, options)
    this.worker = worker
  }
}

/** `pause`, `resume` or `run` was called in a state that does not allow it. apalis's `WorkerStateError`. */
export class WorkerStateError extends ApalisError {
  readonly state: string

  constructor(worker: string, operation: string, state: string) {
    super('ERR_WORKER_STATE', `cannot ${operation} worker "${worker}": it is ${state}`)
    this.state = state
  }
}

/** Workers of a monitor failed. apalis's `MonitorError`. */
export class MonitorError extends ApalisError {
  readonly errors: readonly Error[]

  constructor(errors: readonly Error[]) {
    super(
      'ERR_MONITOR',
      `${errors.length} worker${errors.length === 1 ? '' : 's'} failed: ${errors.map((error) => error.message).join('; ')}`,
      { cause: errors[0] },
    )
    this.errors = errors
  }
}

/** Whether `error` is a {@link WorkerError}. */
export function isWorkerError(error: unknown): error is WorkerError {
  return hasCode(error, 'ERR_WORKER')
}

/** Whether `error` is a {@link WorkerStateError}. */
export function isWorkerStateError(error: unknown): error is WorkerStateError {
  return hasCode(error, 'ERR_WORKER_STATE')
}

/** Whether `error` is a {@link MonitorError}. */
export function isMonitorError(error: unknown): error is MonitorError {
  return hasCode(error, 'ERR_MONITOR')
}
