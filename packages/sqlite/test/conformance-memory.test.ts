import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { memoryHarness } from './support/harness.ts'

const without = {
  transactions: 'a database in memory has one connection',
  producer: 'what one process keeps in memory no other can open',
}

for (const { name, skip, run } of conformance({ harness: memoryHarness, without })) {
  test(name, { skip }, run)
}
