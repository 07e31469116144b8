import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from '../../src/testing/simulation/simulate.ts'
import { simulation } from '../../src/testing/simulation/simulation.ts'
import { memoryHarness } from '../conformance/harnesses.ts'
import { long } from '../long.ts'

const harness = memoryHarness

test('whatever goes wrong, no invariant breaks on memory', async (t) => {
  const { from, to, events, runs } = await simulation({ harness, seeds: long ? 2_000 : 300 })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
})

test('a seed has the same log every time, byte for byte', async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const [first, second] = [await simulate({ harness, seed }), await simulate({ harness, seed })]
    assert.equal(first.log.join('\n'), second.log.join('\n'), `seed ${seed}`)
  }
})

/** What has to be seen in the logs of a hundred seeds, so that the simulation is worth its name. */
const happenings: Readonly<Record<string, RegExp>> = {
  'calls are refused': / claim .* refused$/,
  'answers are lost': /exchange .* \(answer lost\)$/,
  'calls are applied and never answered': / settle .* \(hangs\)$/,
  'calls never arrive': / beat .* never arrives$/,
  'calls fail for good': / settle .* fatal$/,
  'pushes have an unknown outcome': /nobody knows whether the push/,
  'pushes meet what is there': / insert .* → existing/,
  'processes stand still, and go on': / goes on$/,
  'processes die': / dies$/,
  'tasks kill their process': / is killed by t\d+$/,
  'tasks are rescued': / rescue .* pending/,
  'tasks are killed as poison': / rescue .* killed/,
  'leases are lost': /lost t\d+: lease$/,
  'claims are taken': /lost t\d+: taken$/,
  'claims are cancelled': /lost t\d+: cancelled$/,
  'handlers are interrupted by a deadline': /aborts: InterruptedError$/,
  'handlers time out': /aborts: TimeoutError$/,
  'handlers are left behind': / leaked t\d+$/,
  'settlements are repeated': / settle .* repeated/,
  'settlements are stale': / settle .* stale/,
  'queues are paused': / pause \w true$/,
  'subscriptions end': / stops hearing$/,
  'the storage clock is set': /clock is set by/,
  'workers fail, and are made anew': / has failed: /,
  'processes end, and are replaced': / p\d\.\d +begins/,
  'waits are over': /t\d+ gave \d+$/,
}

test('what can go wrong does', async () => {
  const missing = new Set(Object.keys(happenings))
  for (let seed = 1; seed <= 100 && missing.size > 0; seed += 1) {
    const { log } = await simulate({ harness, seed })
    for (const what of missing) {
      if (log.some((line) => happenings[what]?.test(line))) missing.delete(what)
    }
  }
  assert.deepEqual([...missing], [])
})
