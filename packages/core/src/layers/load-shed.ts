import { OverloadedError } from '../errors/task-errors.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import type { Layer } from '../service/service.ts'

/**
 * Refuses calls, with an `OverloadedError`, while what stands inside takes none, instead of holding back the claims: a
 * refused task is given back without using an attempt and is due again in about a second. For tasks that other workers
 * could run meanwhile; where nobody else can, holding back costs less. Inert when nothing inside limits. tower's
 * `LoadShedLayer`.
 */
export function loadShed(): Layer {
  const layer: Layer = (inner) =>
    around(inner, (request) => {
      if (inner.capacity?.() === 0) throw new OverloadedError()
      return inner.call(request)
    })
  return ownLayer(layer, { layerName: 'loadShed', shedsLoad: true })
}
