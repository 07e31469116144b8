import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { fileHarness } from './support/harness.ts'

const without = {
  'concurrent-transactions': 'SQLite has one writer at a time',
}

for (const { name, skip, run } of conformance({ harness: () => fileHarness(), without })) {
  test(name, { skip }, run)
}
