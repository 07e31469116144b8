// #region model
import { test } from 'node:test'
import { model } from '@apalis/core/testing'
import { mapHarness } from './harness.ts'

test('whatever happens, the store does what the model does', async (t) => {
  const { seed, runs, calls } = await model({ harness: mapHarness })
  t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
})
// #endregion
