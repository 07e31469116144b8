import { func } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { withArgs } from '../service/request.ts'
import type { ArgsLayer, TaskRequest } from '../service/service.ts'
import { whenDecided } from './decided.ts'

/** Makes the arguments for what stands inside. May be async. */
export type RequestMapper<Args, in Data = unknown, in Context = unknown> = (
  args: Args,
  request: TaskRequest<Args, Data, Context>,
) => NoInfer<Args> | Promise<NoInfer<Args>>

/**
 * Gives what stands inside other arguments, of the same type: a codec is what changes that. Those in the storage and in
 * events stay. A throw fails the attempt, and so does the signal, whose abort no mapper can hold up. tower's
 * `MapRequestLayer`, apalis's `map_request`.
 */
export function mapRequest<Args = unknown, Data = unknown, Context = unknown>(
  mapper: RequestMapper<Args, Data, Context>,
): ArgsLayer<Args, Data, Context> {
  func('mapRequest', mapper)
  const layer: ArgsLayer<Args, Data, Context> = (inner) =>
    around(inner, (request) =>
      whenDecided(request, mapper(request.task.args, request), (args) =>
        inner.call(withArgs(request, args)),
      ),
    )
  return ownLayer(layer, { layerName: 'mapRequest' })
}
