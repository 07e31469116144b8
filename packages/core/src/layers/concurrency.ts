import { isPromise } from '../internal/promise.ts'
import { ownLayer } from '../service/own-layer.ts'
import { asRun } from '../service/request.ts'
import type { Layer, Obstacle, Service, TaskRequest } from '../service/service.ts'
import type { Clock } from '../time/clock.ts'
import { CompletionRate } from './completion-rate.ts'
import { Permits } from './permits.ts'
import type { Sharer } from './turns.ts'

/** A {@link concurrency} layer. */
export interface ConcurrencyLayer extends Layer {
  readonly boundsInFlight: true
  readonly layerName: string
  /** The most calls in flight. May be changed at any time, both ways; calls in flight above a lower limit finish. */
  limit: number
  /** Calls in flight now, of all workers that share this layer. */
  readonly inFlight: number
}

/**
 * At most `limit` calls in flight, from 1 to 1,000,000; the worker claims no more tasks than can start. One instance given
 * to several workers is one limit for all of them, shared in turn. tower's `ConcurrencyLimitLayer`, apalis's `concurrency`.
 */
export function concurrency(limit: number): ConcurrencyLayer {
  const permits = new Permits(limit)
  const layer: Layer = (inner) => new ConcurrencyService(inner, permits)
  ownLayer(layer, { layerName: 'concurrency', boundsInFlight: true })
  Object.defineProperties(layer, {
    limit: {
      get: () => permits.limit,
      set: (changed: number) => {
        permits.limit = changed
      },
    },
    inFlight: { get: () => permits.taken },
  })
  // What it lacked was added just now.
  return layer as ConcurrencyLayer
}

class ConcurrencyService<Req extends TaskRequest, Res> implements Service<Req, Res> {
  readonly #inner: Service<Req, Res>
  readonly #permits: Permits
  readonly #sharer: Sharer
  readonly #rate = new CompletionRate()
  #inFlight = 0
  #clock: Clock | undefined

  constructor(inner: Service<Req, Res>, permits: Permits) {
    this.#inner = inner
    this.#permits = permits
    this.#sharer = permits.join()
  }

  capacity(ahead = 0): number {
    const free = this.#permits.free(this.#sharer)
    if (ahead <= 0 || this.#clock === undefined) return Math.max(0, free)
    const ends = this.#rate.expected(ahead, this.#clock.monotonic(), this.#inFlight > 0)
    return Math.max(0, free + ends)
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#permits.ready(this.#sharer, signal)
  }

  obstacle(): Obstacle {
    const { limit, taken } = this.#permits
    return { reason: `${taken} of ${limit} calls in flight` }
  }

  call(request: Req): Res | Promise<Res> {
    if (this.#clock === undefined) {
      this.#clock = asRun(request).clock
      // Time counts from the first call on: what ends in a burst later is not all there ever was.
      this.#rate.expected(0, this.#clock.monotonic(), true)
    }
    if (this.#permits.take(this.#sharer)) return this.#run(request)
    return this.#permits
      .taking(this.#sharer, asRun(request).cancellation)
      .then(() => this.#run(request))
  }

  /** Calls the inner service under a permit that was taken, and gives it back exactly once. */
  #run(request: Req): Res | Promise<Res> {
    this.#inFlight += 1
    let result: Res | Promise<Res>
    try {
      result = this.#inner.call(request)
    } catch (error) {
      this.#ended()
      throw error
    }
    if (isPromise(result)) return result.then(this.#succeeded, this.#failed)
    this.#ended()
    return result
  }

  // One function for all calls instead of one a call.
  readonly #succeeded = (result: Res): Res => {
    this.#ended()
    return result
  }

  readonly #failed = (error: unknown): never => {
    this.#ended()
    throw error
  }

  #ended(): void {
    this.#inFlight -= 1
    this.#rate.count()
    this.#permits.release()
  }
}
