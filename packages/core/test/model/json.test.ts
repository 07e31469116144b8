import { test } from 'node:test'
import { model } from '../../src/testing/model/model.ts'
import { jsonHarness } from '../conformance/harnesses.ts'
import { long } from '../long.ts'

test('whatever happens, the store in a JSON file does what the model does', async (t) => {
  const { seed, runs, calls } = await model({ harness: jsonHarness, runs: long ? 1_000 : 100 })
  t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
})
