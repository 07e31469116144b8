import type { Event } from '../service/events.ts'
import type { TaskId } from '../task/task-id.ts'

/**
 * How one run of a task ended. `done`: the handler returned. `failed`: another run follows. `killed`: none does.
 * `released`: sent back without having used the attempt. `lost`: the worker no longer held the task, and nothing was
 * written.
 */
export type TaskEnd<Result = unknown> = Run & (Done<Result> | Sent | Killed | Lost)

interface Run {
  readonly taskId: TaskId
  /** The number of the run: 1 for the first. */
  readonly attempt: number
}

interface Done<Result> extends Omit<Nothing, 'result'> {
  readonly outcome: 'done'
  /** What the handler gave back. */
  readonly result: Result
}

interface Sent extends Omit<Nothing, 'error' | 'retryAt'> {
  readonly outcome: 'failed' | 'released'
  /** Undefined for what the shutdown of its worker interrupted. */
  readonly error: unknown
  /** When it runs again; absent where the backend keeps no outcomes. */
  readonly retryAt?: Date
}

interface Killed extends Omit<Nothing, 'error'> {
  readonly outcome: 'killed'
  readonly error: unknown
}

interface Lost extends Nothing {
  readonly outcome: 'lost'
}

/** So that a field may be read before it is clear which end it is. */
interface Nothing {
  readonly result?: undefined
  readonly error?: undefined
  readonly retryAt?: undefined
}

/** What an event says of the end of its task; undefined: that it has not ended. */
export function endOf<Result>(event: Event<unknown, Result>): TaskEnd<Result> | undefined {
  if (!('task' in event)) return undefined
  const { taskId, attempt } = event.task.parts
  const run = { taskId, attempt: attempt.current }
  if (event.type === 'success') return { ...run, outcome: 'done', result: event.result }
  if (event.type === 'lost') return { ...run, outcome: 'lost' }
  if (event.type !== 'error') return undefined
  const { outcome, error, retryAt } = event
  if (outcome === 'killed') return { ...run, outcome, error }
  return { ...run, outcome, error, ...(retryAt && { retryAt }) }
}
