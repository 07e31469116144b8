import { type Invariant, InvariantError } from '../invariant-error.ts'
import type { SimulationReduction } from './plan.ts'

/** What is known of a seed that failed. */
export interface FailedSeed {
  readonly seed: number
  /** What was taken away from its plan, and is not needed for the failure. */
  readonly reduction: SimulationReduction
  readonly log: readonly string[]
  /** The part of the log that matters. */
  readonly excerpt: string
}

/** A simulated run broke an invariant. `simulate({ harness, seed, ...reduction })` breaks it again. */
export class SimulationError extends InvariantError {
  readonly seed: number
  readonly reduction: SimulationReduction
  /** Everything that happened, line by line. */
  readonly log: readonly string[]

  constructor(
    invariant: Invariant,
    message: string,
    { seed, reduction, log, excerpt }: FailedSeed,
  ) {
    const replay = JSON.stringify({ seed, ...reduction })
    super(invariant, `${message}\nReplay it: ${replay}\n${excerpt}`)
    this.seed = seed
    this.reduction = reduction
    this.log = log
  }
}
