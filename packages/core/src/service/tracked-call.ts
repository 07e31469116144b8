import { isInterruptedError } from '../errors/task-errors.ts'
import type { Clock, Timer } from '../time/clock.ts'
import type { Cancellation } from './cancellation.ts'
import type { RunObserver } from './request.ts'

/** What a tracked call belongs to. */
export interface TrackedRun {
  readonly cancellation: Cancellation
  readonly observer: Pick<RunObserver, 'leaked'>
}

/**
 * An answer that comes later, or the reason why nobody waits for it any more: that of the cancellation, at once, or after one
 * grace for the shutdown deadline. What still goes on one grace after the abort is told as leaked.
 */
export function tracked<Result>(
  result: Promise<Result>,
  { cancellation, observer }: TrackedRun,
  graceMs: number,
  clock: Clock,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined
    const off = cancellation.onAbort((reason) => {
      if (!isInterruptedError(reason)) reject(reason)
      timer = clock.setTimer(() => {
        observer.leaked(result)
        reject(reason)
      }, graceMs)
    })
    result.then(
      (value) => {
        off()
        timer?.cancel()
        resolve(value)
      },
      (error: unknown) => {
        off()
        timer?.cancel()
        reject(error)
      },
    )
  })
}
