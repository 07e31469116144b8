import { isInterruptedError } from '../errors/task-errors.ts'
import { ABORT_GRACE_MS } from '../service/cancellation.ts'
import { asRun } from '../service/request.ts'
import type { TaskRequest } from '../service/service.ts'
import type { Timer } from '../time/clock.ts'

/**
 * What a layer of somebody's own gives, or the reason why the run was aborted once it had its time to end: what stands
 * outside of a layer that never ends its call gets its permits back all the same. The layer counts as leaked, as a
 * handler does.
 */
export function watched(result: Promise<unknown>, request: TaskRequest): Promise<unknown> {
  const { cancellation, clock, observer } = asRun(request)
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined
    const off = cancellation.onAbort((reason) => {
      // The inside ends at once, or after one grace for a shutdown; the layer may clean up behind it.
      const graceMs = isInterruptedError(reason) ? 2 * ABORT_GRACE_MS : ABORT_GRACE_MS
      timer = clock.setTimer(() => {
        observer.leaked(result)
        reject(reason)
      }, graceMs)
    })
    const end = (): void => {
      off()
      timer?.cancel()
    }
    result.then(
      (value) => {
        end()
        resolve(value)
      },
      (error: unknown) => {
        end()
        reject(error)
      },
    )
  })
}
