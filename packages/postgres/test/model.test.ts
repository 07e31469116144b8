import { test } from 'node:test'
import { model } from '@apalis/core/testing'
import { long } from './support/long.ts'
import { pgliteHarness } from './support/pglite-harness.ts'
import { missing, serverHarness } from './support/server-harness.ts'

test('whatever happens, PGlite does what the model does', async (t) => {
  const runs = long ? 500 : 10
  const { seed, calls } = await model({ harness: pgliteHarness, runs })
  t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
})

test(
  'whatever happens, two connections to a server do what the model does',
  {
    skip: missing,
  },
  async (t) => {
    const runs = long ? 500 : 25
    const { seed, calls } = await model({ harness: serverHarness, runs })
    t.diagnostic(`seed ${seed}: ${runs} histories, ${calls} calls`)
  },
)
