import assert from 'node:assert/strict'
import type { BareHarness } from '../../src/testing/harness.ts'
import type { Invariant } from '../../src/testing/invariant-error.ts'
import { simulate } from '../../src/testing/simulation/simulate.ts'
import { SimulationError } from '../../src/testing/simulation/simulation-error.ts'
import type { SimulatedStack } from '../../src/testing/simulation/stacks.ts'
import { memoryHarness } from '../conformance/harnesses.ts'
import { stackTwins, twins } from './index.ts'
import { brokenHarness } from './twin.ts'

/** What is not caught by then is not caught. */
const MOST_SEEDS = 100

/** A store or a worker that is broken, on any storage. */
export interface Broken {
  /** What it does wrong. */
  readonly name: string
  /** What breaks by it: a simulation that catches it names one of these. */
  readonly invariants: readonly Invariant[]
  readonly stacks?: readonly SimulatedStack[]
  /** What it runs on. */
  readonly harness: <Tx>(harness: BareHarness<Tx>) => Promise<BareHarness<Tx>>
}

/** All of them. */
export const broken: readonly Broken[] = [
  ...twins.map((twin) => ({
    name: twin.name,
    invariants: twin.invariants,
    harness: <Tx>(harness: BareHarness<Tx>) => brokenHarness(twin, harness),
  })),
  ...stackTwins.map(({ name, invariants, stack }) => ({
    name,
    invariants,
    stacks: [stack],
    harness: async <Tx>(harness: BareHarness<Tx>) => harness,
  })),
]

/** How something broken was caught. */
export interface Caught {
  readonly seed: number
  /** The seed, how long it took to come to it, and what broke. */
  readonly text: string
}

/** Runs one seed after the other, beginning with `from`, until one is caught by its name. Throws when none is. */
export async function caught<Tx>(
  { invariants, harness, stacks }: Broken,
  makeHarness: () => BareHarness<Tx> | Promise<BareHarness<Tx>>,
  from = 1,
): Promise<Caught> {
  const began = performance.now()
  for (let seed = from; seed < from + MOST_SEEDS; seed += 1) {
    const error: unknown = await simulate({
      ...(stacks !== undefined && { stacks }),
      harness: async () => harness(await makeHarness()),
      seed,
    }).catch((thrown: unknown) => thrown)
    if (!(error instanceof Error)) continue
    assert.ok(error instanceof SimulationError, error)
    // Another rule may break before.
    if (!invariants.includes(error.invariant)) continue
    const took = performance.now() - began
    const [message] = error.message.split('\n')
    return { seed, text: `seed ${seed}, ${took.toFixed(0)} ms: ${message}` }
  }
  return assert.fail(`${MOST_SEEDS} seeds did not show it`)
}

/** The same in memory, where a seed takes no time to speak of. */
export function caughtInMemory(one: Broken): Promise<Caught> {
  return caught<never>(one, memoryHarness)
}
