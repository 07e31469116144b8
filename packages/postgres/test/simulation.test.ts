import { test } from 'node:test'
import { simulation } from '@apalis/core/testing'
import { long } from './support/long.ts'
import { pgliteHarness } from './support/pglite-harness.ts'
import { missing, serverHarness } from './support/server-harness.ts'

test('whatever goes wrong, no invariant breaks on PGlite', async (t) => {
  const { from, to, events, runs } = await simulation({
    harness: pgliteHarness,
    seeds: long ? 300 : 20,
  })
  t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
})

test(
  'whatever goes wrong, no invariant breaks between connections to a server',
  {
    skip: missing,
  },
  async (t) => {
    const { from, to, events, runs } = await simulation({
      harness: serverHarness,
      seeds: long ? 300 : 20,
      from: 10_001,
    })
    t.diagnostic(`seeds ${from} to ${to}: ${events} events, ${runs} runs of handlers`)
  },
)
