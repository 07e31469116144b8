import { test } from 'node:test'
import { conformance, model, simulation } from '@apalis/core/testing'
import { long } from './support/long.ts'
import { missing, pooledHarness } from './support/pooled-harness.ts'

for (const { name, skip, run } of conformance({ harness: pooledHarness, many: 5_000 })) {
  test(name, { skip: missing ?? skip }, run)
}

test('whatever happens, a server does what the model does', { skip: missing }, async (t) => {
  const runs = long ? 300 : 5
  const { seed, calls } = await model({ harness: pooledHarness, runs })
  t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
})

test('whatever goes wrong, no invariant breaks', { skip: missing }, async (t) => {
  const { from, to, events, runs } = await simulation({
    harness: pooledHarness,
    seeds: long ? 200 : 5,
    from: 20_001,
  })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
})
