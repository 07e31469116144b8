import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import type { BareHarness } from '../../src/testing/harness.ts'
import { model, ModelError } from '../../src/testing/model/model.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { type Twin, twins } from '../twins/index.ts'

function twinHarness({ wrap }: Twin): BareHarness {
  const clock = new TestClock()
  const store = wrap(new MemoryStore({ clock }), clock)
  return {
    clock,
    open: async () => store,
    advance: (ms) => clock.advance(ms),
    async corrupt() {},
    async close() {},
  }
}

for (const twin of twins) {
  test(`the model catches: ${twin.name}`, async (t) => {
    const opened: number[] = []
    const harness = (): BareHarness => {
      opened.push(performance.now())
      return twinHarness(twin)
    }
    const caught: unknown = await model({ harness, seed: 1 }).catch((error: unknown) => error)
    assert.ok(caught instanceof ModelError, 'no history showed it')
    assert.ok(twin.invariants.includes(caught.invariant), caught.message)
    const [first = 0] = opened
    const found = (opened[caught.run] ?? performance.now()) - first
    const whole = performance.now() - first
    t.diagnostic(
      `${caught.invariant}: history ${caught.run}, ${found.toFixed(0)} ms, ` +
        `shortened to ${caught.history.length} lines after ${whole.toFixed(0)} ms`,
    )
  })
}
