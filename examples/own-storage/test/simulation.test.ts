// #region simulation
import { test } from 'node:test'
import { simulation } from '@apalis/core/testing'
import { mapHarness } from './harness.ts'

test('whatever goes wrong, no invariant breaks', async (t) => {
  const { from, to, events } = await simulation({ harness: mapHarness, seeds: 100 })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events`)
})
// #endregion
