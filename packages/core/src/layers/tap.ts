import { isPromise } from '../internal/promise.ts'
import { func, knownKeys } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import type { Layer, TaskRequest } from '../service/service.ts'
import { tell } from './tell.ts'

/** What {@link tap} calls; nobody waits for what they return. */
export interface TapListeners<in Args = unknown, in Data = unknown, in Context = unknown> {
  /** Before what stands inside is called. */
  readonly request?: (request: TaskRequest<Args, Data, Context>) => unknown
  /** After it ended well. */
  readonly result?: (result: unknown, request: TaskRequest<Args, Data, Context>) => unknown
  /** After it threw. */
  readonly error?: (error: unknown, request: TaskRequest<Args, Data, Context>) => unknown
}

/**
 * Looks at what goes into this place of the stack and at what comes out, and changes nothing: a listener that throws, or
 * whose promise rejects, becomes an `error` event with the operation `tap`. For what has to be waited for there is
 * `acknowledge`.
 */
export function tap<Args = unknown, Data = unknown, Context = unknown>(
  listeners: TapListeners<Args, Data, Context>,
): Layer<Args, Data, Context> {
  knownKeys('tap', listeners, ['request', 'result', 'error'])
  const { request: onRequest, result: onResult, error: onError } = listeners
  if (onRequest !== undefined) func('tap.request', onRequest)
  if (onResult !== undefined) func('tap.result', onResult)
  if (onError !== undefined) func('tap.error', onError)
  const layer: Layer<Args, Data, Context> = (inner) =>
    around(inner, (request) => {
      if (onRequest !== undefined) void tell(request.worker, 'tap', () => onRequest(request))
      let result
      try {
        result = inner.call(request)
      } catch (error) {
        see(onError, error, request)
        throw error
      }
      if (isPromise(result)) {
        return result.then(
          (value) => {
            see(onResult, value, request)
            return value
          },
          (error: unknown) => {
            see(onError, error, request)
            throw error
          },
        )
      }
      see(onResult, result, request)
      return result
    })
  return ownLayer(layer, { layerName: 'tap' })
}

function see<Req extends TaskRequest>(
  listener: ((seen: unknown, request: Req) => unknown) | undefined,
  seen: unknown,
  request: Req,
): void {
  if (listener !== undefined) void tell(request.worker, 'tap', () => listener(seen, request))
}
