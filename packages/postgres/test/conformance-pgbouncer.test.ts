import { test } from 'node:test'
import { conformance } from '@apalis/core/testing'
import { missing, pooledHarness } from './support/pooled-harness.ts'

for (const { name, skip, run } of conformance({ harness: pooledHarness })) {
  test(name, { skip: missing ?? skip }, run)
}
