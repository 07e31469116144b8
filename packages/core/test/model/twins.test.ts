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
    const [began = 0] = opened
    const histories = Number(caught.path) + 1
    const found = (opened[histories] ?? performance.now()) - began
    const whole = performance.now() - began
    t.diagnostic(
      `${caught.invariant}: ${histories} histories, ${found.toFixed(0)} ms; ` +
        `${opened.length - histories} more and ${whole.toFixed(0)} ms to make it ${caught.history.length} lines`,
    )
  })
}
