import { join } from 'node:path'
import { conformance } from '../../src/testing/conformance/index.ts'
import { jsonHarness } from './harnesses.ts'
import { runCases } from './run.ts'

const without = {
  transactions: 'a JSON file has no transactions',
  producer: 'a JSON file is for one process',
}

runCases(conformance({ harness: jsonHarness, without }), join(import.meta.dirname, 'json.json'))
