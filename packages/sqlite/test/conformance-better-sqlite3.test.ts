import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { connectBetterSqlite3 } from './support/better-sqlite3.ts'
import { fileHarness } from './support/harness.ts'

const without = {
  'concurrent-transactions': 'SQLite has one writer at a time',
}

const { connect, missing } = connectBetterSqlite3()

if (connect === undefined) test('the suite on better-sqlite3', { skip: missing }, () => {})
else {
  for (const { name, skip, run } of conformance({ harness: () => fileHarness(connect), without })) {
    test(name, { skip }, run)
  }
}
