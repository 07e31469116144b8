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
      const { worker } = request
      const succeeded = <Value>(value: Value): Value => {
        if (onResult !== undefined) void tell(worker, 'tap', () => onResult(value, request))
        return value
      }
      const failed = (error: unknown): never => {
        if (onError !== undefined) void tell(worker, 'tap', () => onError(error, request))
        throw error
      }
      if (onRequest !== undefined) void tell(worker, 'tap', () => onRequest(request))
      let result
      try {
        result = inner.call(request)
      } catch (error) {
        return failed(error)
      }
      return isPromise(result) ? result.then(succeeded, failed) : succeeded(result)
    })
  return ownLayer(layer, { layerName: 'tap' })
}
