import type { Clock, Timer } from '../../time/clock.ts'

/**
 * The clock of one process of a case. It can be set wrong, stand still for a while as a blocked event loop does (its timers
 * fire late, but what it shows has moved on), and die.
 */
export class ProcessClock implements Clock {
  readonly #base: Clock
  readonly #skewMs: number
  #state: 'running' | 'frozen' | 'dead' = 'running'
  #late: (() => void)[] = []

  constructor(base: Clock, skewMs: number) {
    this.#base = base
    this.#skewMs = skewMs
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

  thaw(): void {
    this.#state = 'running'
    const late = this.#late
    this.#late = []
    for (const fire of late) fire()
  }

  die(): void {
    this.#state = 'dead'
    this.#late = []
  }
}
