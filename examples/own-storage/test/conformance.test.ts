// #region loop
import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { mapHarness } from './harness.ts'

const without = {
  transactions: 'a Map has no transactions',
  exchange: 'two calls on a Map cost no more than one',
  producer: 'what one process keeps in a Map no other can open',
}

for (const { name, skip, run } of conformance({ harness: mapHarness, without })) {
  test(name, { skip }, run)
}
// #endregion
