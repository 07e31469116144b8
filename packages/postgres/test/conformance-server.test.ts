import { join } from 'node:path'
import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { missing, serverHarness } from './support/server-harness.ts'

const ran: Record<string, { passed: number; skipped: Record<string, number> }> = {}
for (const { name, subject, skip, run } of conformance({ harness: serverHarness })) {
  const row = (ran[subject] ??= { passed: 0, skipped: {} })
  if (skip !== undefined) row.skipped[skip] = (row.skipped[skip] ?? 0) + 1
  test(name, { skip: missing ?? skip }, async () => {
    await run()
    row.passed += 1
  })
}

// The table in the README is made from this record.
test(
  'as much ran as the record beside this file says, which `npm run docs` writes',
  {
    skip: missing,
  },
  ({ assert }) => {
    assert.fileSnapshot(ran, join(import.meta.dirname, 'conformance-server.json'), {
      serializers: [(value) => `${JSON.stringify(value, null, 2)}\n`],
    })
  },
)
