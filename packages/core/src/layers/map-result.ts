import { isPromise } from '../internal/promise.ts'
import { func } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import type { LayerTraits, Service, TaskRequest } from '../service/service.ts'
import { whenDecided } from './decided.ts'

/** Makes another result of what stands inside gave. May be async. */
export type ResultMapper<
  in Inner,
  out Outer,
  in Args = unknown,
  in Data = unknown,
  in Context = unknown,
> = (result: Inner, request: TaskRequest<Args, Data, Context>) => Outer | Promise<Outer>

/** A layer that changes the result, which no `Layer` can: the builder has a step of its own for it. */
export interface ResultLayer<
  in Inner,
  out Outer,
  in Args = unknown,
  in Data = unknown,
  in Context = unknown,
> extends LayerTraits {
  <Req extends TaskRequest<Args, Data, Context>>(inner: Service<Req, Inner>): Service<Req, Outer>
  readonly '~needs'?: (request: TaskRequest<Args, Data, Context>) => void
}

/**
 * What the builder's `mapResult` adds: gives `mapper` what came out well of the inside, and hands on what it makes of it. A
 * throw fails the attempt, and so does the signal, whose abort no mapper can hold up. tower's `MapResponseLayer`, apalis's
 * `map_response`.
 */
export function mapResult<Inner, Outer, Args = unknown, Data = unknown, Context = unknown>(
  mapper: ResultMapper<Inner, Outer, Args, Data, Context>,
): ResultLayer<Inner, Outer, Args, Data, Context> {
  func('mapResult', mapper)
  const layer: ResultLayer<Inner, Outer, Args, Data, Context> = (inner) =>
    around(inner, (request): Outer | Promise<Outer> => {
      const map = (result: Inner): Outer | Promise<Outer> =>
        whenDecided(request, mapper(result, request), (mapped) => mapped)
      const result = inner.call(request)
      return isPromise(result) ? result.then(map) : map(result)
    })
  return ownLayer(layer, { layerName: 'mapResult' })
}
