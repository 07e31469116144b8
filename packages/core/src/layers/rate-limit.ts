import { RateLimitedError } from '../errors/task-errors.ts'
import { knownKeys, wholeNumber } from '../internal/validate.ts'
import { ownLayer } from '../service/own-layer.ts'
import { asRun } from '../service/request.ts'
import type { Layer, Obstacle, Service, TaskRequest } from '../service/service.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { Tokens } from './tokens.ts'
import type { Sharer } from './turns.ts'

/** Options of {@link rateLimit}. */
export interface RateLimitOptions {
  /** How many calls may begin `per` a length of time, from 1 to 1,000,000,000. */
  readonly limit: number
  /** That length of time. @default '1s' */
  readonly per?: Duration
  /**
   * How many of them may begin at the same moment, after a time with fewer. In any length of time `per` at most
   * `limit + burst - 1` calls begin.
   * @default 1, evenly spaced; above 100 a second as many as come in 10 ms, since timers are no finer
   */
  readonly burst?: number
}

/** A {@link rateLimit} layer. */
export interface RateLimitLayer extends Layer {
  readonly layerName: string
  /** How many calls may begin now, of all workers that share this layer. */
  readonly tokens: number
}

/** Timers may be late by this much: a bucket that holds less than comes meanwhile loses the rest. */
const TIMER_MS = 10
const MOST = 1_000_000_000

/**
 * At most `limit` calls a length of time: a token bucket, full at first. Its capacity is its whole tokens, so the worker
 * claims no task before the token for it is there, and is woken when it comes. One instance given to several workers is
 * one limit for all of them, shared in turn. A call without a token, which another worker took, ends with a
 * `RateLimitedError`: the task is given back without using an attempt. tower's `RateLimitLayer`, apalis's `rate_limit`.
 */
export function rateLimit(options: RateLimitOptions): RateLimitLayer {
  knownKeys('rateLimit', options, ['limit', 'per', 'burst'])
  const limit = wholeNumber('rateLimit limit', options.limit, { min: 1, max: MOST })
  const { per = '1s' } = options
  const perMs = durationMs('rateLimit per', per, { min: 1 })
  const { burst = Math.max(1, Math.floor((limit * TIMER_MS) / perMs)) } = options
  wholeNumber('rateLimit burst', burst, { min: 1, max: MOST })
  const tokens = new Tokens(perMs / limit, burst)
  const reason = `limit of ${limit} in ${typeof per === 'number' ? `${per} ms` : per} reached`
  const layer: Layer = (inner) => new RateLimitService(inner, tokens, reason)
  ownLayer(layer, { layerName: 'rateLimit' })
  Object.defineProperty(layer, 'tokens', { get: () => tokens.available() })
  // What it lacked was added just now.
  return layer as RateLimitLayer
}

class RateLimitService<Req extends TaskRequest, Res> implements Service<Req, Res> {
  readonly #inner: Service<Req, Res>
  readonly #tokens: Tokens
  readonly #sharer: Sharer
  readonly #reason: string

  constructor(inner: Service<Req, Res>, tokens: Tokens, reason: string) {
    this.#inner = inner
    this.#tokens = tokens
    this.#sharer = tokens.join()
    this.#reason = reason
  }

  capacity(ahead = 0): number {
    return Math.max(0, this.#tokens.free(this.#sharer, ahead))
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#tokens.ready(this.#sharer, signal)
  }

  obstacle(): Obstacle {
    const next = this.#tokens.comesIn()
    const reason = this.#reason
    return next === undefined ? { reason } : { reason, until: new Date(next.clock.now() + next.ms) }
  }

  call(request: Req): Res | Promise<Res> {
    const { cancellation, clock } = asRun(request)
    // A token is not for what ends before it begins.
    if (cancellation.aborted) throw cancellation.reason
    this.#tokens.measureBy(clock)
    if (!this.#tokens.take(this.#sharer)) {
      throw new RateLimitedError(this.#reason, { retryIn: this.#tokens.comesIn()?.ms ?? 0 })
    }
    return this.#inner.call(request)
  }
}
