import { LayerError } from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { show } from '../internal/validate.ts'
import { asRun, type RunObserver } from '../service/request.ts'
import type { Obstacle, TaskRequest } from '../service/service.ts'
import type { LayerInfo } from '../service/worker-context.ts'
import { type Clock, sleep, type Timer } from '../time/clock.ts'
import type { RawService } from './plan.ts'

/** Hears of a layer whose `capacity` or `ready` failed. */
export type LayerErrorListener = (layerName: string, error: unknown) => void

/** A layer that limits but cannot say when it will take more is asked this often. */
const RECHECK_MS = 100
/** After so long it is looked whether a layer has forgotten to say that it takes more. */
const MISSED_MS = 5_000
/** A layer whose `capacity` or `ready` failed takes nothing for so long. */
const FAILED_MS = 1_000

/** A service with a capacity of its own, behind a guard: whatever it answers or throws, nobody hangs or spins. */
export class Limiter {
  readonly name: string
  readonly #service: RawService
  readonly #own: boolean
  readonly #clock: Clock
  readonly #onError: LayerErrorListener
  /** By the monotonic clock; 0 while it works. */
  #failedUntil = 0
  /** Whether the call that is just entering the stack has got here. */
  reached = false
  /** Calls that have entered the stack and will get here: each takes one of what is free. */
  readonly coming: Set<RunObserver> = new Set<RunObserver>()
  /** Told when one of them gets here. */
  onArrival: () => void = nothing
  /** How often in a row it said that it was ready, and was not. */
  #vain = 0

  /** `own`: of a layer that we answer for. */
  constructor(
    name: string,
    service: RawService,
    own: boolean,
    clock: Clock,
    onError: LayerErrorListener,
  ) {
    this.name = name
    this.#service = service
    this.#own = own
    this.#clock = clock
    this.#onError = onError
  }

  /** A call gets here. */
  arrive(request: TaskRequest): void {
    this.reached = true
    if (this.coming.size > 0 && this.coming.delete(asRun(request).observer)) this.onArrival()
  }

  /** The capacity beside the calls on their way here. */
  left(ahead?: number): number {
    return Math.max(0, this.capacity(ahead) - this.coming.size)
  }

  /** A whole number of at least 0, or Infinity. */
  capacity(ahead?: number): number {
    if (this.#failedUntil !== 0) {
      if (this.#clock.monotonic() < this.#failedUntil) return 0
      this.#failedUntil = 0
    }
    try {
      // Typed, but a class in JavaScript answers with anything, such as a promise.
      const capacity: unknown = this.#service.capacity?.(ahead)
      if (typeof capacity !== 'number' || Number.isNaN(capacity)) throw this.#noNumber(capacity)
      if (capacity >= 1) return Math.floor(capacity)
    } catch (error) {
      this.#fail(error)
    }
    return 0
  }

  /** What people are shown: the capacity, and why that is 0. */
  info(): LayerInfo {
    const { name } = this
    const free = this.capacity()
    if (free > this.coming.size) return { name, capacity: free - this.coming.size }
    if (free > 0) return { name, capacity: 0, reason: `${this.coming.size} on their way to it` }
    const { reason = 'full', until } = this.#obstacle() ?? {}
    return { name, capacity: 0, reason, ...(until && { until }) }
  }

  #noNumber(capacity: unknown): LayerError {
    if (isPromise(capacity)) capacity.then(undefined, nothing)
    return new LayerError(`layer "${this.name}" has a capacity of ${show(capacity)}`)
  }

  #obstacle(): Obstacle | undefined {
    if (this.#failedUntil !== 0) {
      const leftMs = this.#failedUntil - this.#clock.monotonic()
      return { reason: 'it failed', until: new Date(this.#clock.now() + leftMs) }
    }
    try {
      const given = this.#service.obstacle?.()
      if (isPromise(given)) given.then(undefined, nothing)
      const { reason, until } = given ?? {}
      return reason === undefined ? undefined : { reason, ...(until && { until }) }
    } catch (error) {
      // It limits as well as before: only people are told less.
      this.#onError(this.name, error)
      return undefined
    }
  }

  /** Settles when it is worth asking again, or when `signal` aborts. Never rejects. */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.#failedUntil !== 0) {
      return sleep(this.#clock, this.#failedUntil - this.#clock.monotonic(), { signal })
    }
    if (this.#service.ready === undefined) return sleep(this.#clock, RECHECK_MS, { signal })
    try {
      const work = this.#service.ready(signal)
      if (!isPromise(work))
        throw new LayerError(`layer "${this.name}" has a ready of ${show(work)}`)
      await this.#settled(work, signal)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (signal.aborted || this.capacity() > 0) {
      this.#vain = 0
      return
    }
    // Another worker may have been quicker, once or twice; a `ready` that never waits would keep the process busy.
    this.#vain += 1
    if (this.#vain > 1)
      await sleep(this.#clock, Math.min(RECHECK_MS, 2 ** (this.#vain - 2)), { signal })
  }

  /**
   * A service may ignore the signal that its `ready` is given. One of somebody's own that misses its moment is noticed,
   * and told, since its worker would claim nothing any more.
   */
  #settled(work: Promise<void>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const end = (): void => {
        timer?.cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const look = (): void => {
        timer = this.#clock.setTimer(() => {
          if (this.capacity() === 0) return look()
          this.#onError(this.name, new LayerError(`layer "${this.name}" did not say it was ready`))
          end()
        }, MISSED_MS)
      }
      if (signal.aborted) end()
      else {
        signal.addEventListener('abort', end, { once: true })
        if (!this.#own) look()
      }
      work.then(end, (error: unknown) => {
        reject(error)
        end()
      })
    })
  }

  #fail(error: unknown): void {
    this.#failedUntil = this.#clock.monotonic() + FAILED_MS
    this.#onError(this.name, error)
  }
}

function nothing(): void {}
