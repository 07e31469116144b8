import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { pgliteHarness } from './support/pglite-harness.ts'

const without = {
  transactions: 'PGlite is one session: nobody else has a turn while a transaction is open',
  'concurrent-transactions': 'PGlite is one session',
  producer: 'PGlite lives in this process',
}

for (const { name, skip, run } of conformance({ harness: pgliteHarness, without })) {
  test(name, { skip }, run)
}
