import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate, simulation } from '@apalis/core/testing'
import { faultyHarness } from './support/faulty-harness.ts'
import { long } from './support/long.ts'
import { pgliteHarness } from './support/pglite-harness.ts'
import { missing, serverHarness } from './support/server-harness.ts'

test('whatever goes wrong, no invariant breaks on PGlite', async (t) => {
  const { from, to, events, runs } = await simulation({
    harness: pgliteHarness,
    seeds: long ? 300 : 8,
  })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
})

test(
  'whatever goes wrong, no invariant breaks between connections to a server',
  {
    skip: missing,
  },
  async (t) => {
    const { from, to, events, runs } = await simulation({
      harness: serverHarness,
      seeds: long ? 300 : 15,
      from: 10_001,
    })
    t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
  },
)

test('whatever goes wrong between stores and their server, no invariant breaks', async (t) => {
  const [from, seeds] = [30_001, long ? 300 : 10]
  let [events, failed] = [0, 0]
  for (let seed = from; seed < from + seeds; seed += 1) {
    const harness = faultyHarness(await pgliteHarness(), seed)
    events += (await simulate({ harness: () => harness, seed })).events
    assert.deepEqual(harness.lies(), [], `seed ${seed}`)
    failed += harness.failed()
  }
  assert.ok(failed > seeds)
  const to = from + seeds - 1
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${failed} statements that failed`)
})
