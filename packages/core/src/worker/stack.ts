import { OptionError } from '../internal/validate.ts'
import { forwardsCapacity } from '../service/around.ts'
import type { TaskRequest } from '../service/service.ts'
import type { LayerInfo } from '../service/worker-context.ts'
import type { Clock } from '../time/clock.ts'
import { type LayerErrorListener, Limiter } from './limiter.ts'
import type { NamedLayer, RawService } from './plan.ts'

/** A worker's layers around its handler, as one service. */
export interface Stack {
  /** A synchronous result stays synchronous. */
  call(request: TaskRequest): unknown
  /** The least that any layer would take, now or by `ahead` milliseconds from now; a whole number, or Infinity. */
  capacity(ahead?: number): number
  /** Settles when `capacity() > 0` or `signal` aborts. Never rejects. */
  ready(signal: AbortSignal): Promise<void>
  /** Every layer, outermost first, with its own capacity now; last the handler, where it has one. */
  layers(): LayerInfo[]
}

/** What a {@link Stack} is made of. */
export interface StackParts {
  /** Outermost first. Each is called once, by `composeStack`. */
  readonly layers: readonly NamedLayer[]
  readonly innermost: RawService
  readonly clock: Clock
  /** Hears of a `capacity` or `ready` that threw; its layer then counts as full for a second. */
  readonly onError: LayerErrorListener
}

/** Composes services outermost first; capacity by minimum, so that back-pressure reaches whoever claims tasks. */
export function composeStack({ layers, innermost, clock, onError }: StackParts): Stack {
  const own =
    innermost.capacity === undefined ? [] : [new Limiter('handler', innermost, clock, onError)]
  let level = new Level(innermost, own)
  const limiters: (Limiter | undefined)[] = []
  for (const { name, layer } of layers.toReversed()) {
    const service = layer(level)
    if (typeof service?.call !== 'function') {
      throw new OptionError(
        `layer ${name}`,
        service,
        'a service, that is an object with a call method',
      )
    }
    const limits = service !== level && service.capacity !== undefined && !forwardsCapacity(service)
    const limiter = limits ? new Limiter(name, service, clock, onError) : undefined
    limiters.unshift(limiter)
    const inside = layer.shedsLoad === true ? [] : level.limiters
    level = new Level(service, limiter === undefined ? inside : [limiter, ...inside])
  }
  const outermost = level
  return {
    call: (request) => outermost.call(request),
    capacity: (ahead) => outermost.capacity(ahead),
    ready: (signal) => outermost.ready(signal),
    layers: () => [
      ...layers.map(({ name }, index) => ({
        name,
        capacity: limiters[index]?.capacity() ?? Infinity,
      })),
      ...own.map((limiter) => ({ name: limiter.name, capacity: limiter.capacity() })),
    ],
  }
}

/** A service together with everything inside it: what the next layer outwards is given to wrap. */
class Level implements RawService {
  readonly #service: RawService
  /** Whoever has a say in the capacity, outermost first. */
  readonly limiters: readonly Limiter[]

  constructor(service: RawService, limiters: readonly Limiter[]) {
    this.#service = service
    this.limiters = limiters
  }

  call(request: TaskRequest): unknown {
    return this.#service.call(request)
  }

  capacity(ahead?: number): number {
    let least = Infinity
    for (const limiter of this.limiters) {
      const capacity = limiter.capacity(ahead)
      if (capacity < least) least = capacity
    }
    return least
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const full = this.limiters.find((limiter) => limiter.capacity() === 0)
      if (full === undefined) return
      await full.ready(signal)
    }
  }
}
