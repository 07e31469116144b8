import { func } from '../internal/validate.ts'
import type { Service } from './service.ts'

class Around {
  readonly call: (request: never) => unknown
  readonly capacity?: (ahead?: number) => number
  readonly ready?: (signal: AbortSignal) => Promise<void>

  constructor(inner: Service<never, unknown>, call: (request: never) => unknown) {
    this.call = call
    // Called on `inner`, never copied from it: a class keeps its methods on the prototype and needs its `this`.
    if (inner.capacity !== undefined) this.capacity = (ahead) => inner.capacity?.(ahead) ?? Infinity
    if (inner.ready !== undefined) {
      this.ready = (signal) => inner.ready?.(signal) ?? Promise.resolve()
    }
  }
}

/**
 * The service that a layer which limits nothing makes of `inner`: `call` in place of `inner.call`, capacity and
 * readiness still those of `inner`.
 */
export function around<Req, Res>(
  inner: Service<never, unknown>,
  call: (request: Req) => Res | Promise<Res> | Promise<Awaited<Res>>,
): Service<Req, Res> {
  // An async `call` that awaits the inner result has an `Awaited<Res>`; for a type parameter TypeScript takes that for
  // another type than `Res`.
  return new Around(inner, func('around call', call)) as unknown as Service<Req, Res>
}

/** @internal Whether the capacity of `service` is only another service's, forwarded by {@link around}. */
export function forwardsCapacity(service: object): boolean {
  return service instanceof Around
}
