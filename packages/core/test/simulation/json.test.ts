import { test } from 'node:test'
import { simulation } from '../../src/testing/simulation/simulation.ts'
import { jsonHarness } from '../conformance/harnesses.ts'
import { long } from '../long.ts'

test('whatever goes wrong, no invariant breaks on a JSON file', async (t) => {
  const { from, to, events, runs } = await simulation({
    harness: jsonHarness,
    seeds: long ? 300 : 100,
  })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
})
