import type { Clock, Timer } from '../../time/clock.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

/** The clock of one simulated process: its timers are events, never early and a random bit late. */
export class SimulatedClock implements Clock {
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #chance: Random
  readonly #loop: Random
  /** How late timers may be, in milliseconds; and, rarely, how late at most. */
  lateness: { readonly usual: number; readonly rare: number } = { usual: 2, rare: 2 }
  /** How many timers are armed. */
  timers = 0
  #loopTime = 0

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline
    this.#random = random.fork('timers')
    this.#chance = random.fork('chance')
    this.#loop = random.fork('loop')
  }

  now(): number {
    return this.#timeline.wall()
  }

  monotonic(): number {
    return this.#timeline.now
  }

  setTimer(callback: () => void, ms: number): Timer {
    this.timers += 1
    const { usual, rare } = this.lateness
    const late = this.#random.between(0, this.#random.chance(0.03) ? rare : usual)
    let armed = true
    const disarm = (): void => {
      if (armed) this.timers -= 1
      armed = false
    }
    const cancel = this.#timeline.schedule(ms + late, this.#random.next(), () => {
      disarm()
      callback()
    })
    return {
      cancel: () => {
        disarm()
        cancel()
      },
    }
  }

  random(): number {
    return this.#chance.next()
  }

  /** Each look costs some milliseconds, so that the loop yields now and then. */
  loopTime(): number {
    this.#loopTime += this.#loop.between(0, 3)
    return this.#loopTime
  }
}
