import { isPromise } from '../internal/promise.ts'
import type { WorkerContext } from '../service/worker-context.ts'

/**
 * Calls a listener of the user's that must not disturb the run: what it throws, or its promise rejects with, becomes an
 * `error` event with that `operation`. Its promise, if it gave one, never rejects here.
 */
export function tell(
  worker: Pick<WorkerContext, 'emit'>,
  operation: string,
  listener: () => unknown,
): Promise<unknown> | undefined {
  const report = (error: unknown): void => worker.emit({ type: 'error', operation, error })
  try {
    const told = listener()
    return isPromise(told) ? told.then(undefined, report) : undefined
  } catch (error) {
    report(error)
    return undefined
  }
}
