/** Shorter measurements say nothing. */
const SHORTEST_MS = 5
/** After so long two thirds of the rate are from what was measured since. */
const SMOOTHING_MS = 100

/** How many calls end in a millisecond, smoothed. Costs nothing for a call: time is looked at only when somebody asks. */
export class CompletionRate {
  #ended = 0
  #since: number | undefined
  #perMs: number | undefined

  /** A call ended. */
  count(): void {
    this.#ended += 1
  }

  /** How many calls are expected to end within `ahead` ms of `now`; 0 until there was something to measure. `busy`: calls are in flight. */
  expected(ahead: number, now: number, busy: boolean): number {
    const elapsed = now - (this.#since ?? now)
    if (this.#since === undefined || elapsed >= SHORTEST_MS) {
      // A time without work is no sign of slowness.
      if (elapsed > 0 && (busy || this.#ended > 0)) this.#measure(elapsed)
      this.#since = now
      this.#ended = 0
    }
    return Math.floor((this.#perMs ?? 0) * ahead)
  }

  #measure(elapsed: number): void {
    const measured = this.#ended / elapsed
    const weight = 1 - Math.exp(-elapsed / SMOOTHING_MS)
    this.#perMs =
      this.#perMs === undefined ? measured : this.#perMs + (measured - this.#perMs) * weight
  }
}
