import { func } from '../internal/validate.ts'
import type { Layer } from '../service/service.ts'

const none: Layer = Object.assign<Layer, { layerName: string }>((inner) => inner, {
  layerName: 'optional',
})

/** `layer` itself, or where there is none one that does nothing. tower's `option_layer`. */
export function optional<Given extends Layer<never, never, never>>(
  layer: Given | undefined,
): Given | Layer {
  return layer === undefined ? none : func('optional', layer)
}
