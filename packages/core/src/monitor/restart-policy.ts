import type { WorkerError } from '../errors/worker-errors.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { Duration } from '../time/duration.ts'

/**
 * Says after how long a worker that failed is made again, or that it is given up. Never asked about a worker that ended
 * gracefully, nor during a shutdown. `attempt` is the one that failed: 0 for the first, 1 for the first restart, …;
 * counted anew once a task has succeeded. One that throws, or answers with anything else, gives the worker up.
 * apalis's `should_restart`.
 */
export type RestartPolicy = (
  worker: WorkerContext,
  error: WorkerError,
  attempt: number,
) => Duration | false

/** Three restarts, after 1 s, 2 s and 4 s, then no more. */
export const defaultRestartPolicy: RestartPolicy = (_worker, _error, attempt) =>
  attempt < 3 ? 1_000 * 2 ** attempt : false
