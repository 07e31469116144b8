import type { Invariant } from '../../src/testing/invariant-error.ts'
import type { SimulatedStack } from '../../src/testing/simulation/stacks.ts'

/** A worker with one rule broken in its layers or between them and the storage. */
export interface StackTwin {
  /** What it does wrong. */
  readonly name: string
  /** What breaks by it: a simulation that catches it names one of these. */
  readonly invariants: readonly Invariant[]
  readonly stack: SimulatedStack
}
