import { BackendError } from '../errors/backend-errors.ts'
import type { Clock } from '../time/clock.ts'
import { retryDelayMs } from '../time/retry-delay.ts'

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
