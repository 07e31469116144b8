import { BackendError } from '../errors/backend-errors.ts'
import { type Clock, random } from '../time/clock.ts'

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000

/** How long to wait after `failures` failed calls in a row before the next: doubling, with jitter, at most 5 s. */
export function retryDelayMs(failures: number, clock: Clock): number {
  const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10))
  return Math.round(longest * (0.5 + random(clock) / 2))
}

/** What a user's `onBackendError` may say. */
export type BackendErrorPolicy = (error: BackendError, failuresInARow: number) => 'retry' | 'end'

/** Calls of one kind to a backend that may fail for a while. */
export class SupervisedCalls {
  readonly #operation: string
  readonly #clock: Clock
  readonly #onFailure: (error: BackendError, failuresInARow: number) => 'retry' | 'end'
  #failures = 0

  constructor(operation: string, clock: Clock, onFailure: BackendErrorPolicy) {
    this.#operation = operation
    this.#clock = clock
    this.#onFailure = onFailure
  }

  /** Notes a call that went well. */
  succeeded(): void {
    this.#failures = 0
  }

  /** Notes one that failed: how long to wait before the next, or that there shall be none. */
  failed(error: unknown): number | 'end' {
    this.#failures += 1
    const answer = this.#onFailure(BackendError.from(this.#operation, error), this.#failures)
    return answer === 'end' ? 'end' : retryDelayMs(this.#failures, this.#clock)
  }
}
