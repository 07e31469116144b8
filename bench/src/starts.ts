import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Figures } from './contender.ts'
import { percentile } from './numbers.ts'

/** From how many milliseconds to how many. */
export type Pause = readonly [from: number, to: number]

/** How long it takes from a push to the start of its handler. */
export class Starts {
  readonly #pause: Pause
  #onStart: (at: number) => void = () => {}

  /** The pauses are of random length, so that no poll is always just about to come. */
  constructor(pause: Pause) {
    this.#pause = pause
  }

  /** The handler starts. */
  start(): void {
    this.#onStart(performance.now())
  }

  /** Pushes once after the other, with a pause before each. The value is the median in milliseconds. */
  async sample(samples: number, push: (index: number) => unknown): Promise<Figures> {
    const waits: number[] = []
    const [from, to] = this.#pause
    for (let index = 0; index < samples; index += 1) {
      await sleep(from + Math.random() * (to - from))
      const { promise, resolve } = Promise.withResolvers<number>()
      this.#onStart = resolve
      const begun = performance.now()
      const pushed = push(index)
      waits.push((await promise) - begun)
      await pushed
    }
    const also = { 'p99 ms': percentile(waits, 99), 'longest ms': Math.max(...waits) }
    return { value: percentile(waits, 50), also }
  }
}
