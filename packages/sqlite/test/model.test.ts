import { test } from 'node:test'
import { model } from '@apalis/core/testing'
import { fileHarness, memoryHarness } from './support/harness.ts'
import { long } from './support/long.ts'

const runs = long ? 1_000 : 100

test('whatever happens, two connections to a file do what the model does', async (t) => {
  const { seed, calls } = await model({ harness: () => fileHarness(), runs })
  t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
})

test('whatever happens, a database in memory does what the model does', async (t) => {
  const { seed, calls } = await model({ harness: memoryHarness, runs })
  t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
})
