import { join } from 'node:path'
import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { pgliteHarness } from './support/pglite-harness.ts'

const without = {
  transactions: 'PGlite is one session: nobody else has a turn while a transaction is open',
  'concurrent-transactions': 'PGlite is one session',
  producer: 'PGlite lives in this process',
}

const ran: Record<string, { passed: number; skipped: Record<string, number> }> = {}
for (const { name, subject, skip, run } of conformance({ harness: pgliteHarness, without })) {
  const row = (ran[subject] ??= { passed: 0, skipped: {} })
  if (skip !== undefined) row.skipped[skip] = (row.skipped[skip] ?? 0) + 1
  test(name, { skip }, async () => {
    await run()
    row.passed += 1
  })
}

test('as much ran as the record beside this file says, which `npm run docs` writes', ({
  assert,
}) => {
  assert.fileSnapshot(ran, join(import.meta.dirname, 'conformance-pglite.json'), {
    serializers: [(value) => `${JSON.stringify(value, null, 2)}\n`],
  })
})
