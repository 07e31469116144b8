import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate, simulation } from '@apalis/core/testing'
import { fileHarness, memoryHarness } from './support/harness.ts'
import { long } from './support/long.ts'

// #region simulation
test('whatever goes wrong, no invariant breaks on a database in memory', async (t) => {
  const { from, to, events, runs } = await simulation({
    harness: memoryHarness,
    seeds: long ? 2_000 : 300,
  })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
})
// #endregion

// Each process has a connection of its own; when they hear of each other's commits the operating system decides.
test('whatever goes wrong, no invariant breaks between connections to a file', async (t) => {
  const { from, to, events, runs } = await simulation({
    harness: () => fileHarness(),
    seeds: long ? 200 : 20,
    from: 10_001,
  })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
})

test('a seed has the same log every time, byte for byte', async () => {
  const harness = memoryHarness
  for (let seed = 1; seed <= 30; seed += 1) {
    const [first, second] = [await simulate({ harness, seed }), await simulate({ harness, seed })]
    assert.equal(first.log.join('\n'), second.log.join('\n'), `seed ${seed}`)
  }
})
