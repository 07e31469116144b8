import { asRun } from '../service/request.ts'
import type { TaskRequest } from '../service/service.ts'

/**
 * Waits inside of a run: for what `until` gives, or without it for the time, and never longer than that. True: it was
 * worth it; false: the time passed and `until` had not settled, or the worker begins to stop. Rejects with the reason at
 * once when the run is aborted, and with what `until` rejects with.
 */
export function pause<Req extends TaskRequest>(
  request: Req,
  ms: number,
  until?: (signal: AbortSignal) => Promise<unknown>,
): Promise<boolean> {
  const { cancellation, clock, worker } = asRun(request)
  return new Promise((resolve, reject) => {
    const over = new AbortController()
    const end = (): void => {
      timer.cancel()
      off()
      worker.signal.removeEventListener('abort', stop)
      over.abort()
    }
    const settle = (worthIt: boolean): void => {
      end()
      resolve(worthIt)
    }
    const fail = (reason: unknown): void => {
      end()
      reject(reason)
    }
    const stop = (): void => settle(false)
    let off = nothing
    const timer = clock.setTimer(() => settle(until === undefined), ms)
    worker.signal.addEventListener('abort', stop, { once: true })
    off = cancellation.onAbort(fail)
    if (worker.signal.aborted) stop()
    if (!over.signal.aborted) until?.(over.signal).then(() => settle(true), fail)
  })
}

function nothing(): void {}
