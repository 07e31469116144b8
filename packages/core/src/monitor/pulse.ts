import type { Event } from '../service/events.ts'
import type { Clock } from '../time/clock.ts'

/** What the events of a worker tell about its backend. */
export class Pulse {
  readonly #clock: Clock
  #lastBeatAt: Date | undefined
  #lastGoodCallAt: Date | undefined
  /** On the monotonic clock: when the latest beat was confirmed, or the first one failed that none was confirmed before. */
  #beatSince: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get lastBeatAt(): Date | undefined {
    return this.#lastBeatAt
  }

  get lastGoodCallAt(): Date | undefined {
    return this.#lastGoodCallAt
  }

  /** Whether the lease was confirmed within the last `staleAfterMs`. A backend without heartbeat is always fresh. */
  isFresh(staleAfterMs: number): boolean {
    return (
      this.#beatSince === undefined || this.#clock.monotonic() - this.#beatSince <= staleAfterMs
    )
  }

  note(event: Event): void {
    switch (event.type) {
      case 'heartbeat':
        this.#lastBeatAt = event.time
        this.#lastGoodCallAt = event.time
        this.#beatSince = this.#clock.monotonic()
        break
      case 'success':
      case 'idle':
        this.#lastGoodCallAt = event.time
        break
      case 'error':
        if ('task' in event) this.#lastGoodCallAt = event.time
        else if (event.operation === 'beat') this.#beatSince ??= this.#clock.monotonic()
        break
      default:
    }
  }
}
