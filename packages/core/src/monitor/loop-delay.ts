import { monitorEventLoopDelay } from 'node:perf_hooks'

import type { Clock } from '../time/clock.ts'

/** How often the loop is looked at. */
const RESOLUTION_MS = 20
/** How far back an answer looks at least. */
const WINDOW_MS = 10_000

/** Measures how late the event loop of this process is, between `start` and `stop`. */
export class LoopDelay {
  readonly #clock: Clock
  #histogram: ReturnType<typeof monitorEventLoopDelay> | undefined
  #windowStart = 0
  #lastWindowMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(): void {
    // A loop whose time is simulated is never late.
    if (this.#clock.loopTime !== undefined) return
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#histogram.enable()
    this.#windowStart = this.#clock.monotonic()
    this.#lastWindowMs = 0
  }

  stop(): void {
    this.#histogram?.disable()
    this.#histogram = undefined
  }

  /** By how many milliseconds the latest turn of the last ten seconds, or of longer if nobody asked, was late. 0 unless started. */
  longestMs(): number {
    const histogram = this.#histogram
    if (histogram === undefined) return 0
    // What it records is the time between two looks, hence at least the resolution.
    const windowMs = histogram.count === 0 ? 0 : Math.max(0, histogram.max / 1e6 - RESOLUTION_MS)
    const longest = Math.max(windowMs, this.#lastWindowMs)
    const now = this.#clock.monotonic()
    if (now - this.#windowStart >= WINDOW_MS) {
      histogram.reset()
      this.#windowStart = now
      this.#lastWindowMs = windowMs
    }
    return longest
  }
}
