import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Invariant } from '../../src/testing/invariant-error.ts'
import { simulate, type SimulateOptions } from '../../src/testing/simulation/simulate.ts'
import { SimulationError } from '../../src/testing/simulation/simulation-error.ts'
import { memoryHarness } from '../conformance/harnesses.ts'
import { stackTwins, twins } from '../twins/index.ts'
import { twinHarness } from '../twins/twin.ts'

/** A twin that is not caught by then is not caught. */
const MOST_SEEDS = 100

/** Runs one seed after the other until one is caught by a name that the twin goes by. */
function catches(
  name: string,
  invariants: readonly Invariant[],
  options: Omit<SimulateOptions, 'seed'>,
): void {
  test(`the simulation catches: ${name}`, async (t) => {
    const began = performance.now()
    for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
      const caught = await simulate({ ...options, seed }).catch((error: unknown) => error)
      if (!(caught instanceof Error)) continue
      assert.ok(caught instanceof SimulationError, caught)
      // Another rule may break before.
      if (!invariants.includes(caught.invariant)) continue
      const took = performance.now() - began
      const [message] = caught.message.split('\n')
      t.diagnostic(`seed ${seed}, ${took.toFixed(0)} ms: ${message}`)
      return
    }
    assert.fail(`${MOST_SEEDS} seeds did not show it`)
  })
}

for (const twin of twins) {
  catches(twin.name, twin.invariants, { harness: () => twinHarness(twin) })
}

for (const { name, invariants, stack } of stackTwins) {
  catches(name, invariants, { harness: memoryHarness, stacks: [stack] })
}
