import type { BareHarness } from '../harness.ts'
import { planOf } from './draw-plan.ts'
import type { SimulationReduction } from './plan.ts'
import { SimulationError } from './simulation-error.ts'
import { SimulationRun } from './simulation-run.ts'
import { drawnStacks } from './drawn-stacks.ts'
import { coreStacks, type SimulatedStack } from './stacks.ts'

/** What to simulate, and on what. */
export interface SimulateOptions<Tx = never> extends SimulationReduction {
  /** Makes the harness that a seed runs on; it is closed afterwards. */
  readonly harness: () => BareHarness<Tx> | Promise<BareHarness<Tx>>
  readonly seed: number
  /** What workers are made of: each has one of these. @default what core has, in fixed stacks and in drawn ones */
  readonly stacks?: readonly SimulatedStack[]
}

/** What one seed did. */
export interface SimulatedRun {
  /** Everything that happened, line by line: for the same seed always the same. */
  readonly log: readonly string[]
  /** How many events there were. */
  readonly events: number
  /** How many handlers ran. */
  readonly runs: number
}

/** Runs one seed. Rejects with a {@link SimulationError} where an invariant is broken. */
export async function simulate<Tx = never>({
  harness: makeHarness,
  seed,
  stacks = [...coreStacks, ...drawnStacks],
  ...reduction
}: SimulateOptions<Tx>): Promise<SimulatedRun> {
  const plan = planOf(seed, reduction)
  const harness = await makeHarness()
  try {
    const run = new SimulationRun(harness, plan, stacks)
    const violation = await run.run()
    const log = run.history.lines
    if (violation === undefined) return { log, events: run.events, runs: run.runs }
    const excerpt = run.history.excerpt(violation)
    const { invariant, message } = violation
    throw new SimulationError(invariant, message, { seed, reduction, log, excerpt })
  } finally {
    await harness.close()
  }
}
