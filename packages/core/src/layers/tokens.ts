import type { Clock } from '../time/clock.ts'
import { Turns } from './turns.ts'

/** How much of a token may be missing because numbers are rounded, and of a millisecond; it never adds up. */
const ROUNDING = 1e-6

/** A token bucket: full at first, it gets a token every `intervalMs` and holds `burst` of them. */
export class Tokens extends Turns {
  readonly #intervalMs: number
  readonly #burst: number
  /** When the bucket would have been empty had it never overflowed: nothing is added up, so nothing drifts. */
  #emptyAt = Number.NEGATIVE_INFINITY
  /** That of the first call; until then there is nothing to measure, for the bucket is full. */
  #clock: Clock | undefined

  constructor(intervalMs: number, burst: number) {
    super()
    this.#intervalMs = intervalMs
    this.#burst = burst
  }

  /** Measures by `clock`, unless it has one. */
  measureBy(clock: Clock): void {
    this.#clock ??= clock
  }

  /** How many whole tokens there are now, or by `ahead` milliseconds from now. */
  override available(ahead = 0): number {
    if (this.#clock === undefined) return this.#burst
    const tokens = (this.#clock.monotonic() + ahead - this.#emptyAt) / this.#intervalMs
    const rounding = ROUNDING / Math.max(1, this.#intervalMs)
    return Math.floor(Math.min(this.#burst, tokens + rounding))
  }

  /** When the next token comes. */
  override comesIn(): { readonly clock: Clock; readonly ms: number } | undefined {
    const clock = this.#clock
    if (clock === undefined) return undefined
    // Timers know whole milliseconds only, and one that fires before its time has to be set again.
    const ms = Math.ceil(this.#emptyAt + this.#intervalMs - clock.monotonic() - ROUNDING)
    return { clock, ms: Math.max(1, ms) }
  }

  protected override use(): void {
    const now = this.#clock?.monotonic() ?? 0
    this.#emptyAt = Math.max(this.#emptyAt, now - this.#burst * this.#intervalMs) + this.#intervalMs
  }
}
