import type { BareHarness } from '../harness.ts'
import type { Checker } from './checker.ts'
import type { History } from './history.ts'
import type { Plan } from './plan.ts'
import type { Random } from './random.ts'
import type { SimulatedStack } from './stacks.ts'
import type { Timeline } from './timeline.ts'

/** What everybody in one simulated run shares. */
export interface Scene<Tx> {
  readonly plan: Plan
  readonly harness: BareHarness<Tx>
  readonly timeline: Timeline
  readonly history: History
  readonly checker: Checker
  readonly random: Random
  readonly stacks: readonly SimulatedStack[]
  /** How often each task has run. */
  readonly runs: Map<string, number>
  /** Whether everything goes well by now. */
  calm: boolean
}
