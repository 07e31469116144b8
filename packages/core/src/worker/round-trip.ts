/** How many claims are looked back at. */
const REMEMBERED = 9
/** What takes less than this is not worth claiming ahead for. */
const SHORTEST_MS = 1

/** How long this worker's claims take: the median of the last few, which no single slow one moves. */
export class RoundTrip {
  readonly #measured: number[] = []
  #next = 0
  #typicalMs = 0

  /** For how long ahead to claim, in milliseconds; 0 until there was something to measure, and where claims take no time. */
  get aheadMs(): number {
    return this.#typicalMs < SHORTEST_MS ? 0 : this.#typicalMs
  }

  measure(ms: number): void {
    this.#measured[this.#next] = ms
    this.#next = (this.#next + 1) % REMEMBERED
    const sorted = this.#measured.toSorted((one, other) => one - other)
    this.#typicalMs = sorted[sorted.length >> 1] ?? 0
  }
}
