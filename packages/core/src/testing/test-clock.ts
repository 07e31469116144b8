import { finiteNumber } from '../internal/validate.ts'
import type { Clock, Timer } from '../time/clock.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { quiet } from './quiet.ts'

/** So many timers in a row that are due the moment they are armed are a loop without end. */
const MOST_INSTANT_TIMERS = 10_000

interface ArmedTimer extends Timer {
  readonly callback: () => void
  readonly armedAt: number
  readonly dueAt: number
}

/**
 * A clock that stands still until it is told to move. Timers fire during {@link TestClock.advance} only, each at its own
 * instant, and whatever they set in motion (promises, turns of the event loop, file work) comes to rest before the next.
 * For whoever would otherwise sleep in a test.
 */
export class TestClock implements Clock {
  readonly #start: number
  #stepped = 0
  #elapsed = 0
  /** In the order in which they fire. */
  readonly #armed: ArmedTimer[] = []
  #last: Promise<void> = Promise.resolve()

  /** `start`: what the wall clock shows, in milliseconds since 1970 or as a Date. */
  constructor(start: number | Date = Date.UTC(2030, 0, 1)) {
    this.#start = finiteNumber('TestClock start', start instanceof Date ? start.getTime() : start)
  }

  /** How many timers are armed: 0 once everything was cleaned up. */
  get timers(): number {
    return this.#armed.length
  }

  now(): number {
    return Math.floor(this.#start + this.#stepped + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  setTimer(callback: () => void, ms: number): Timer {
    const timer: ArmedTimer = {
      callback,
      armedAt: this.#elapsed,
      dueAt: this.#elapsed + (ms > 0 ? ms : 0),
      cancel: () => {
        const index = this.#armed.indexOf(timer)
        if (index >= 0) this.#armed.splice(index, 1)
      },
    }
    this.#armed.splice(this.#indexAfter(timer.dueAt), 0, timer)
    return timer
  }

  /**
   * Moves both clocks by `duration` and fires what becomes due on the way, one timer after the other, those armed
   * meanwhile included. Calls made while one is under way follow it. Rejects with what a callback throws, and
   * stops there.
   */
  advance(duration: Duration): Promise<void> {
    // A number as it is: `durationMs` would round it.
    const ms =
      typeof duration === 'number'
        ? finiteNumber('advance', duration, { min: 0 })
        : durationMs('advance', duration)
    const moved = this.#last.then(() => this.#move(ms))
    this.#last = moved.catch(() => {
      // Whoever called that advance hears of it; the next one is another matter.
    })
    return moved
  }

  /** Moves the wall clock only, as somebody who sets the time does; may go back. Timers do not notice. */
  step(ms: number): void {
    this.#stepped += finiteNumber('step', ms)
  }

  /** Lets everything in motion come to rest without moving the clock: promises, turns of the event loop, file work. */
  settle(): Promise<void> {
    return quiet()
  }

  async #move(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    let instant = 0
    await this.settle()
    for (;;) {
      const next = this.#armed[0]
      if (next !== undefined && next.dueAt <= end) {
        instant = next.dueAt > next.armedAt ? 0 : instant + 1
        if (instant > MOST_INSTANT_TIMERS) {
          throw new Error('timers that are due at once arm each other without end')
        }
        this.#armed.shift()
        this.#elapsed = Math.max(this.#elapsed, next.dueAt)
        next.callback()
      } else if (this.#elapsed < end) {
        this.#elapsed = end
      } else {
        return
      }
      await this.settle()
    }
  }

  /** Where a timer goes that fires after all others due by then. */
  #indexAfter(dueAt: number): number {
    let low = 0
    let high = this.#armed.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#armed[middle]?.dueAt ?? Infinity) <= dueAt) low = middle + 1
      else high = middle
    }
    return low
  }
}
