import { ApalisError, hasCode } from '../internal/apalis-error.ts'

/** What no storage and no worker may ever break, by name. */
export type Invariant =
  /** Every task whose push was acknowledged is there until it is removed or purged, and ends. */
  | 'nothing lost'
  /** At most one outcome is accepted for a claim, from its owner only, and epochs grow. */
  | 'fence'
  /** While leases are honoured, a task has at most one owner and runs once at a time. */
  | 'one owner'
  /** Claims come by priority, then `runAt`, then order of insertion, and none before its time or while paused. */
  | 'order'
  /** At most one unfinished task holds a unique key. */
  | 'uniqueness'
  /** Attempts, rescues and releases are counted as the outcome table says, and bounded. */
  | 'budgets'
  /** A finished row changes by `retry` and `remove` only. */
  | 'terminal rows stay'
  /** A worker never holds more than its layers take. */
  | 'bounded'
  /** Once faults end, work goes on. */
  | 'recovery'
  /** Whatever else a primitive answers or keeps is what the contract says. */
  | 'contract'

/** A model or simulated run broke an invariant. */
export class InvariantError extends ApalisError {
  readonly invariant: Invariant

  constructor(invariant: Invariant, message: string, options?: ErrorOptions) {
    super('ERR_INVARIANT', `${invariant}: ${message}`, options)
    this.invariant = invariant
  }
}

/** Whether `error` is an {@link InvariantError}. */
export function isInvariantError(error: unknown): error is InvariantError {
  return hasCode(error, 'ERR_INVARIANT')
}
