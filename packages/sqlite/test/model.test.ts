import { test } from 'node:test'
import { model } from '@apalis/core/testing'
import { fileHarness, memoryHarness } from './support/harness.ts'
import { long } from './support/long.ts'

const harnesses = {
  'two connections to a file': () => fileHarness(),
  'a database in memory': memoryHarness,
}

for (const [what, harness] of Object.entries(harnesses)) {
  test(`whatever happens, ${what} does what the model does`, async (t) => {
    const { seed, runs, calls } = await model({ harness, runs: long ? 1_000 : 100 })
    t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
  })
}
