import { func } from '../internal/validate.ts'
import { ownLayer } from '../service/own-layer.ts'
import type { Layer } from '../service/service.ts'

const nothing: Layer = (inner) => inner
const none: Layer = ownLayer(nothing, { layerName: 'optional' })

/** `layer` itself, or where there is none one that does nothing. tower's `option_layer`. */
export function optional<Given extends Layer<never, never, never>>(
  layer: Given | undefined,
): Given | Layer {
  return layer === undefined ? none : func('optional', layer)
}
