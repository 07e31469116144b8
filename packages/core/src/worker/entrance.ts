import { isPromise } from '../internal/promise.ts'
import { asRun, type RunRequest } from '../service/request.ts'
import type { TaskRequest } from '../service/service.ts'
import type { Clock } from '../time/clock.ts'
import type { Limiter } from './limiter.ts'
import type { RawService } from './plan.ts'

/** How often to look whether places came free, while all there are belong to calls that have not arrived. */
const RECHECK_MS = 100

/**
 * Where calls enter the stack, or a part of it. A call that waits in a layer outside of a limit will take one of its
 * places when it gets there. Until then that place counts as taken: nobody claims a task for it a second time.
 */
export class Entrance implements RawService {
  readonly #inside: RawService
  readonly #limiters: readonly Limiter[]
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()

  /** `limiters`: outermost first, all that stand inside; each belongs to one entrance. */
  constructor(inside: RawService, limiters: readonly Limiter[], clock: Clock) {
    this.#inside = inside
    this.#limiters = limiters
    this.#clock = clock
    for (const limiter of limiters) limiter.onArrival = () => this.#wake()
  }

  call(request: TaskRequest): unknown {
    // Nearly every call gets to the handler before it waits for anything: then there is nothing to keep for it.
    for (const limiter of this.#limiters) limiter.reached = false
    const result = this.#inside.call(request)
    for (const limiter of this.#limiters) {
      if (limiter.reached) continue
      if (isPromise(result)) this.#follow(asRun(request), result)
      break
    }
    return result
  }

  /** The least that any limiter would take beside the calls on their way to it. */
  capacity(ahead?: number): number {
    let least = Infinity
    for (const limiter of this.#limiters) {
      const capacity = limiter.left(ahead)
      if (capacity < least) least = capacity
    }
    return least
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.capacity() === 0) {
      const full = this.#limiters.find((limiter) => limiter.capacity() === 0)
      await (full === undefined ? this.#movement(signal) : full.ready(signal))
    }
  }

  #follow({ observer }: RunRequest<unknown, unknown, unknown>, result: Promise<unknown>): void {
    const ahead = this.#limiters.filter((limiter) => !limiter.reached)
    for (const limiter of ahead) limiter.coming.add(observer)
    const end = (): void => {
      for (const limiter of ahead) limiter.coming.delete(observer)
      this.#wake()
    }
    result.then(end, end)
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }

  /** A call has arrived or ended, or enough time has passed for a place to have come free. */
  #movement(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', end)
        this.#waiting.delete(end)
        resolve()
      }
      const timer = this.#clock.setTimer(end, RECHECK_MS)
      signal.addEventListener('abort', end, { once: true })
      this.#waiting.add(end)
    })
  }
}
