import { isPromise } from '../internal/promise.ts'
import { func } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import type { Layer, TaskRequest } from '../service/service.ts'
import { whenDecided } from './decided.ts'

/** Makes the error that goes on of what the inside threw. May be async. */
export type ErrorMapper<in Args = unknown, in Data = unknown, in Context = unknown> = (
  error: unknown,
  request: TaskRequest<Args, Data, Context>,
) => unknown

/**
 * Throws what `mapper` makes of what the inside threw, or what `mapper` itself throws: with `AbortError`, `RetryAfterError`
 * and the like it decides what becomes of the task. A mapper cannot hold up the abort of the signal, nor change what a
 * shutdown or a lost lease does. tower's `MapErrLayer`, apalis's `map_err`.
 */
export function mapError<Args = unknown, Data = unknown, Context = unknown>(
  mapper: ErrorMapper<Args, Data, Context>,
): Layer<Args, Data, Context> {
  func('mapError', mapper)
  const layer: Layer<Args, Data, Context> = (inner) =>
    around(inner, (request) => {
      let result
      try {
        result = inner.call(request)
      } catch (error) {
        return mapped(mapper, error, request)
      }
      if (!isPromise(result)) return result
      return result.then(undefined, (error: unknown) => mapped(mapper, error, request))
    })
  return ownLayer(layer, { layerName: 'mapError' })
}

function mapped<Req extends TaskRequest>(
  mapper: (error: unknown, request: Req) => unknown,
  error: unknown,
  request: Req,
): never | Promise<never> {
  return whenDecided(request, mapper(error, request), (made): never => {
    throw made
  })
}
