import { isPromise } from '../internal/promise.ts'
import { OptionError } from '../internal/validate.ts'
import { forwardsCapacity } from '../service/around.ts'
import { isOwnLayer } from '../service/own-layer.ts'
import type { TaskRequest } from '../service/service.ts'
import type { LayerInfo } from '../service/worker-context.ts'
import type { Clock } from '../time/clock.ts'
import { Entrance } from './entrance.ts'
import { type LayerErrorListener, Limiter } from './limiter.ts'
import type { NamedLayer, RawService } from './plan.ts'
import { watched } from './watched.ts'

/** A worker's layers around its handler, as one service. */
export interface Stack {
  /** A synchronous result stays synchronous. */
  call(request: TaskRequest): unknown
  /** The least that any layer would take, now or by `ahead` milliseconds from now; a whole number, or Infinity. */
  capacity(ahead?: number): number
  /** Settles when `capacity() > 0` or `signal` aborts. Never rejects. */
  ready(signal: AbortSignal): Promise<void>
  /** Every layer, outermost first, with its own capacity now, and why that is 0; last the handler, where it has one. */
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
  const guard = (name: string, service: RawService, own: boolean): Limiter =>
    new Limiter(name, service, own, clock, onError)
  const handler = innermost.capacity === undefined ? undefined : guard('handler', innermost, false)
  let level = new Level(innermost, handler, [], false)
  const limiters: (Limiter | undefined)[] = []
  for (const { name, layer } of layers.toReversed()) {
    const sheds = layer.shedsLoad === true
    const inner = sheds ? new Entrance(level, level.limiters, clock) : level
    const own = isOwnLayer(layer)
    level.abandonable = !own
    const service = layer(inner)
    if (typeof service?.call !== 'function') {
      throw new OptionError(
        `layer ${name}`,
        service,
        'a service, that is an object with a call method',
      )
    }
    if (service === level) {
      limiters.unshift(undefined)
      continue
    }
    const limits = service !== inner && service.capacity !== undefined && !forwardsCapacity(service)
    const limiter = limits ? guard(name, service, own) : undefined
    limiters.unshift(limiter)
    const foreign = service !== inner && !own
    level = new Level(service, limiter, sheds ? [] : level.limiters, foreign)
  }
  const entrance = new Entrance(level, level.limiters, clock)
  return {
    call: (request) => entrance.call(request),
    capacity: (ahead) => entrance.capacity(ahead),
    ready: (signal) => entrance.ready(signal),
    layers: () => [
      ...layers.map(({ name }, index) => limiters[index]?.info() ?? { name, capacity: Infinity }),
      ...(handler === undefined ? [] : [handler.info()]),
    ],
  }
}

/** A service together with everything inside it: what the next layer outwards is given to wrap. */
class Level implements RawService {
  readonly #service: RawService
  readonly #limiter: Limiter | undefined
  /** Of somebody else's: it may never end its calls. */
  readonly #foreign: boolean
  /** What stands outside is somebody else's: it may forget a call that it made, and that must not be a rejection of nobody's. */
  abandonable = false
  /** Whoever has a say in the capacity, outermost first. */
  readonly limiters: readonly Limiter[]

  constructor(
    service: RawService,
    limiter: Limiter | undefined,
    inside: readonly Limiter[],
    foreign: boolean,
  ) {
    this.#service = service
    this.#limiter = limiter
    this.#foreign = foreign
    this.limiters = limiter === undefined ? inside : [limiter, ...inside]
  }

  call(request: TaskRequest): unknown {
    this.#limiter?.arrive(request)
    const result = this.#service.call(request)
    if (!(this.#foreign || this.abandonable) || !isPromise(result)) return result
    const outcome = this.#foreign ? watched(result, request) : result
    if (this.abandonable) outcome.then(undefined, nothing)
    return outcome
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

function nothing(): void {}
