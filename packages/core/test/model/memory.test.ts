import { test } from 'node:test'
import { model } from '../../src/testing/model/model.ts'
import { memoryHarness } from '../conformance/harnesses.ts'
import { long } from '../long.ts'

test('whatever happens, the memory store does what the model does', async (t) => {
  const { seed, runs, calls } = await model({ harness: memoryHarness, runs: long ? 1_000 : 100 })
  t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
})
