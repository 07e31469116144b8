import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { checkCapabilities } from '../check-capabilities.ts'
import { makeFolder } from './make-folder.ts'

const columns = [
  { name: 'memory', test: 'memory' },
  { name: 'SQLite', test: 'sqlite' },
]

const memory = JSON.stringify({
  enqueue: { passed: 10, skipped: {} },
  transactions: { passed: 0, skipped: { 'it has none': 2, 'nor others': 1 } },
})
const sqlite = JSON.stringify({
  enqueue: { passed: 10, skipped: {} },
  transactions: { passed: 3, skipped: {} },
})

const table = `|              | memory                          | SQLite |
| ------------ | ------------------------------- | ------ |
| enqueue      | 10                              | 10     |
| transactions | 0 of 3: it has none; nor others | 3      |
| all          | 10 of 13                        | 13     |
`
const readme = `# A\n\n<!-- capabilities -->\n\n${table}\n<!-- /capabilities -->\n\nB\n`

function files(text: string): Record<string, string> {
  return { 'README.md': text, 'memory.json': memory, 'sqlite.json': sqlite }
}

test('a table made from the records passes', () => {
  using folder = makeFolder(files(readme))
  assert.deepEqual(checkCapabilities(folder.path, columns), [])
})

test('another table is refused, and mended when asked to', () => {
  using folder = makeFolder(files(readme.replace('| 10 of 13', '| 13      ')))
  assert.deepEqual(checkCapabilities(folder.path, columns), [
    'README.md has another table than what ran: `npm run docs` mends it',
  ])
  assert.deepEqual(checkCapabilities(folder.path, columns, { write: true }), [])
  assert.equal(readFileSync(join(folder.path, 'README.md'), 'utf8'), readme)
})

test('a README without its marks, and a storage without a record, are told', () => {
  using folder = makeFolder(files('# A\n'))
  assert.deepEqual(checkCapabilities(folder.path, columns), [
    'README.md has no <!-- capabilities --> with its end',
  ])
  assert.deepEqual(checkCapabilities(folder.path, [{ name: 'Redis', test: 'redis' }]), [
    'redis.json is missing: `npm run docs` writes it',
  ])
})
