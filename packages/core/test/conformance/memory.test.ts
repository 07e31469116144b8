import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { conformance } from '../../src/testing/conformance/index.ts'
import { memoryHarness } from './harnesses.ts'
import { runCases } from './run.ts'

const without = {
  transactions: 'memory has no transactions',
  producer: 'what one process keeps in memory no other can open',
}

runCases(conformance({ harness: memoryHarness, without }), join(import.meta.dirname, 'memory.json'))

// The suite's case needs data that a second process can open; that core leaves nothing open shows here too.
test('a process that only pushes exits by itself (88)', { timeout: 60_000 }, async ({ signal }) => {
  const program = fileURLToPath(new URL('producer.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@apalis/source', program], { signal })
  let printed = ''
  child.stdout.on('data', (chunk) => {
    printed += String(chunk)
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  assert.match(printed, /pending: 3/)
})
