import type { Clock, Timer } from '../../src/time/clock.ts'

interface Armed {
  readonly at: number
  readonly callback: () => void
}

/** A clock that fires what is due at once and waits for nothing: for tests that need it ten thousand times. */
export class ManualClock implements Clock {
  #elapsed = 0
  readonly #armed = new Set<Armed>()

  get timers(): number {
    return this.#armed.size
  }

  now(): number {
    return this.#elapsed
  }

  monotonic(): number {
    return this.#elapsed
  }

  setTimer(callback: () => void, ms: number): Timer {
    const armed = { at: this.#elapsed + Math.max(0, ms), callback }
    this.#armed.add(armed)
    return { cancel: () => void this.#armed.delete(armed) }
  }

  /** Moves by `ms`, and fires in order what is due on the way. */
  move(ms: number): void {
    const end = this.#elapsed + ms
    for (;;) {
      let next: Armed | undefined
      for (const armed of this.#armed) {
        if (armed.at <= end && (next === undefined || armed.at < next.at)) next = armed
      }
      if (next === undefined) break
      this.#armed.delete(next)
      this.#elapsed = Math.max(this.#elapsed, next.at)
      next.callback()
    }
    this.#elapsed = end
  }
}
