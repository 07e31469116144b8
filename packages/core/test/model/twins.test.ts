import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BareHarness } from '../../src/testing/harness.ts'
import { model, ModelError } from '../../src/testing/model/model.ts'
import { twins } from '../twins/index.ts'
import { twinHarness } from '../twins/twin.ts'

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
