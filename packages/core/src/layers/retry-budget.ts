import { finiteNumber, knownKeys } from '../internal/validate.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { WindowCounts } from './window-counts.ts'

/** Options of {@link retryBudget}. */
export interface RetryBudgetOptions {
  /** How many retries there may be for each first call, from 0 to 1,000: 0.2 is one for five. @default 0.2 */
  readonly ratio?: number
  /** How many retries a second there may be whatever the ratio says, or few calls would have none. @default 10 */
  readonly minPerSecond?: number
  /** For how long a call counts, at least a second. @default '10s' */
  readonly window?: Duration
}

/** What {@link retryBudget} makes; times are those of the monotonic clock. */
export interface RetryBudget {
  /** A first call was made. */
  deposit(now: number): void
  /** Takes a retry, if there is one. */
  withdraw(now: number): boolean
}

/**
 * How many retries all `retry` layers that it is given to may make together, so that when everything fails, retries do
 * not multiply the load. In any `window` at most `ratio` for each first call and `minPerSecond` for each second. tower's
 * `TpsBudget`.
 */
export function retryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  knownKeys('retryBudget', options, ['ratio', 'minPerSecond', 'window'])
  const { ratio = 0.2, minPerSecond = 10, window = '10s' } = options
  finiteNumber('retryBudget ratio', ratio, { min: 0, max: 1_000 })
  finiteNumber('retryBudget minPerSecond', minPerSecond, { min: 0, max: 1_000_000 })
  const windowMs = durationMs('retryBudget window', window, { min: 1_000 })
  const reserve = (minPerSecond * windowMs) / 1_000
  const counts = new WindowCounts(windowMs)
  return {
    deposit(now) {
      counts.moveTo(now)
      counts.add(1, 0)
    },
    withdraw(now) {
      counts.moveTo(now)
      if (counts.marks + 1 > reserve + ratio * counts.calls) return false
      counts.add(0, 1)
      return true
    },
  }
}
