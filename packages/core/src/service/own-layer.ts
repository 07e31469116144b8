import type { LayerTraits } from './service.ts'

const own = new WeakSet<object>()

/**
 * @internal `layer`, with traits, as one that we answer for: its call ends when the inside has ended, also when that ends
 * because the run was aborted. Over anybody else's the stack keeps watch.
 */
export function ownLayer<Made extends object>(layer: Made, traits: LayerTraits): Made {
  own.add(layer)
  return Object.assign(layer, traits)
}

/** @internal Whether it is one that {@link ownLayer} made. */
export function isOwnLayer(layer: object): boolean {
  return own.has(layer)
}
