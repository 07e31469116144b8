import type { Clock, Timer } from '../time/clock.ts'

/**
 * The clock of one simulated process. It can be set wrong, stand still for a while as a blocked event loop does (its timers
 * fire late, but what it shows has moved on), and die.
 */
export class ProcessClock implements Clock {
  readonly #base: Clock
  #skewMs: number
  #state: 'running' | 'frozen' | 'dead' = 'running'
  #late: (() => void)[] = []

  /** Present where the base has it. */
  readonly random?: () => number
  /** Present where the base has it. */
  readonly loopTime?: () => number

  constructor(base: Clock, skewMs: number) {
    this.#base = base
    this.#skewMs = skewMs
    if (base.random !== undefined) this.random = base.random.bind(base)
    if (base.loopTime !== undefined) this.loopTime = base.loopTime.bind(base)
  }

  /** Moves its wall clock, as somebody who sets the time does. */
  step(ms: number): void {
    this.#skewMs += ms
  }

  now(): number {
    return this.#base.now() + this.#skewMs
  }

  monotonic(): number {
    return this.#base.monotonic()
  }

  setTimer(callback: () => void, ms: number, options?: { readonly background?: boolean }): Timer {
    let cancelled = false
    const fire = (): void => {
      if (cancelled || this.#state === 'dead') return
      if (this.#state === 'frozen') this.#late.push(fire)
      else callback()
    }
    const timer = this.#base.setTimer(fire, ms, options)
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }

  freeze(): void {
    this.#state = 'frozen'
  }

  /** The timers that are late fire now, or when `release` calls them. */
  thaw(release: (fire: () => void) => void = (fire) => fire()): void {
    this.#state = 'running'
    const late = this.#late
    this.#late = []
    for (const fire of late) release(fire)
  }

  die(): void {
    this.#state = 'dead'
    this.#late = []
  }
}
