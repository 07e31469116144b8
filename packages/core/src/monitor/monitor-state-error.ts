import { ApalisError, hasCode } from '../internal/apalis-error.ts'

/** Where a monitor is in its life. `stopping`: the shutdown has started, and workers still end their work. */
export type MonitorState = 'pending' | 'running' | 'stopping' | 'stopped'

/** A monitor was asked for something that its state does not allow: it runs once, and takes no worker after that. */
export class MonitorStateError extends ApalisError {
  readonly state: MonitorState

  constructor(operation: string, state: MonitorState) {
    super('ERR_MONITOR_STATE', `cannot ${operation} the monitor: it is ${state}`)
    this.state = state
  }
}

/** Whether `error` is a {@link MonitorStateError}. */
export function isMonitorStateError(error: unknown): error is MonitorStateError {
  return hasCode(error, 'ERR_MONITOR_STATE')
}
