import { TimeoutError } from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { knownKeys } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { ABORT_GRACE_MS, RunCancellation } from '../service/cancellation.ts'
import { asRun, withCancellation } from '../service/request.ts'
import type { Layer, Service, TaskRequest } from '../service/service.ts'
import { type Duration, durationMs } from '../time/duration.ts'

/** Options of {@link timeout}. */
export interface TimeoutOptions {
  /** How long a layer inside may take to end after the signal aborted, before it is left behind. @default '1s' */
  readonly grace?: Duration
}

/**
 * Bounds everything inside it: after `duration` the signal aborts and the call ends, with a `TimeoutError`. What the
 * inside ends with after that is discarded; a handler that goes on is told as `leaked`, and counted. Nothing can end a
 * handler that never gives the event loop a turn. tower's `TimeoutLayer`, apalis's `timeout`.
 */
export function timeout(duration: Duration, options: TimeoutOptions = {}): Layer {
  knownKeys('timeout', options, ['grace'])
  const { grace = ABORT_GRACE_MS } = options
  const timeoutMs = durationMs('timeout', duration, { min: 1 })
  const graceMs = durationMs('timeout grace', grace)
  const layer: Layer = (inner) =>
    around(inner, (request) => timed(request, inner, timeoutMs, graceMs))
  return ownLayer(layer, { layerName: 'timeout' })
}

function timed<Req extends TaskRequest, Res>(
  request: Req,
  inner: Service<Req, Res>,
  timeoutMs: number,
  graceMs: number,
): Res | Promise<Res> {
  const { clock, cancellation: outer } = asRun(request)
  const started = clock.monotonic()
  const cancellation = new RunCancellation()
  const unlink = outer.onAbort((reason) => cancellation.abort(reason))
  const leave = (): void => {
    unlink()
    cancellation.end()
  }
  let answer: Res | Promise<Res>
  try {
    answer = inner.call(withCancellation(request, cancellation))
  } catch (error) {
    leave()
    throw error
  }
  if (!isPromise(answer)) {
    leave()
    return answer
  }
  const result = answer
  return new Promise((resolve, reject) => {
    let late: TimeoutError | undefined
    const expire = (): void => {
      // Somebody outside was first, and it is for them to say how this ends.
      if (cancellation.aborted) return
      const error = new TimeoutError(`task ${request.id}`, timeoutMs)
      late = error
      timer = clock.setTimer(() => {
        unlink()
        reject(error)
      }, graceMs)
      cancellation.abort(error)
    }
    let timer = clock.setTimer(expire, Math.max(0, started + timeoutMs - clock.monotonic()))
    const end = (): void => {
      timer.cancel()
      leave()
    }
    result.then(
      (value) => {
        end()
        if (late === undefined) resolve(value)
        else reject(late)
      },
      (error: unknown) => {
        end()
        reject(late ?? error)
      },
    )
  })
}
