const SLOTS = 10

/** The calls of the last `windowMs` milliseconds, and how many of them were marked; to a tenth of that time. */
export class WindowCounts {
  readonly #slotMs: number
  readonly #calls: number[] = Array.from({ length: SLOTS }, () => 0)
  readonly #marks: number[] = Array.from({ length: SLOTS }, () => 0)
  /** The slot that counts now, in slots since the clock began. */
  #current = Number.NEGATIVE_INFINITY
  /** In the window, as of the last `moveTo`. */
  calls = 0
  marks = 0

  constructor(windowMs: number) {
    this.#slotMs = windowMs / SLOTS
  }

  /** Forgets what the window has left behind by `now`, a time of the monotonic clock. */
  moveTo(now: number): void {
    const slot = Math.floor(now / this.#slotMs)
    if (slot <= this.#current) return
    // After a whole window there is nothing to keep.
    const first = Math.max(this.#current + 1, slot - SLOTS + 1)
    for (let passed = first; passed <= slot; passed += 1) {
      const index = passed % SLOTS
      this.calls -= this.#calls[index] ?? 0
      this.marks -= this.#marks[index] ?? 0
      this.#calls[index] = 0
      this.#marks[index] = 0
    }
    this.#current = slot
  }

  /** Counts at the time of the last `moveTo`. */
  add(calls: number, marks: number): void {
    const index = this.#current % SLOTS
    this.#calls[index] = (this.#calls[index] ?? 0) + calls
    this.#marks[index] = (this.#marks[index] ?? 0) + marks
    this.calls += calls
    this.marks += marks
  }

  clear(): void {
    this.#calls.fill(0)
    this.#marks.fill(0)
    this.calls = 0
    this.marks = 0
  }
}
