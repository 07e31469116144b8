import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isBackendError } from '@apalis/core'
import { migrate } from '../src/migrate.ts'
import type { Migration } from '../src/schema.ts'
import { testFolder } from './support/files.ts'
import { start } from './support/programs.ts'
import { openStore } from './support/stores.ts'

const steps: readonly Migration[] = [
  { version: 1, sql: 'CREATE TABLE apalis_one (a); INSERT INTO apalis_one VALUES (1)' },
  { version: 2, sql: 'ALTER TABLE apalis_one ADD COLUMN b; UPDATE apalis_one SET b = a + 1' },
]

function run(path: string, migrations: readonly Migration[]): readonly unknown[] {
  const client = new DatabaseSync(path)
  try {
    migrate({ client, path, migrations, now: 7 })
    return client
      .prepare('SELECT version, applied_at FROM apalis_migration')
      .all()
      .map(Object.values)
  } finally {
    client.close()
  }
}

test('each step is taken once, from any older version, with what is stored', () => {
  using folder = testFolder()
  const path = folder.file()
  assert.deepEqual(run(path, steps.slice(0, 1)), [[1, 7]])
  const both = [
    [1, 7],
    [2, 7],
  ]
  assert.deepEqual(run(path, steps), both)
  assert.deepEqual(run(path, steps), both)
  const client = new DatabaseSync(path)
  assert.deepEqual(client.prepare('SELECT a, b FROM apalis_one').all().map(Object.values), [[1, 2]])
  client.close()
})

test('a step that fails leaves nothing behind, and can be taken again', () => {
  using folder = testFolder()
  const path = folder.file()
  run(path, steps.slice(0, 1))
  const broken = { version: 2, sql: `${steps[1]?.sql}; INSERT INTO nowhere VALUES (1)` }
  assert.throws(() => run(path, [...steps.slice(0, 1), broken]), /no such table: nowhere/)
  assert.equal(run(path, steps).length, 2)
})

test('a schema that is newer is refused by path and versions, and left as it is', () => {
  using folder = testFolder()
  const path = folder.file()
  run(path, steps)
  assert.throws(
    () => run(path, steps.slice(0, 1)),
    (error) => {
      assert.ok(isBackendError(error))
      assert.equal(error.transient, false)
      assert.ok(error.message.includes(path))
      assert.match(error.message, /version 2\b.* up to 1\b/)
      return true
    },
  )
  assert.equal(run(path, steps).length, 2)
})

test('a file that an application has tables in stays its own; an empty one becomes ours', () => {
  using folder = testFolder()
  const id = (path: string): unknown => {
    const client = new DatabaseSync(path)
    try {
      migrate({ client, path, migrations: steps, now: 7 })
      return client.prepare('PRAGMA application_id').get()?.['application_id']
    } finally {
      client.close()
    }
  }
  const theirs = new DatabaseSync(folder.file('theirs.db'))
  theirs.exec('CREATE TABLE users (id)')
  theirs.close()
  assert.equal(id(folder.file('theirs.db')), 0)
  assert.notEqual(id(folder.file('ours.db')), 0)
})

test('processes that open a new file at the same moment all get to work with it', async () => {
  using folder = testFolder()
  const path = folder.file()
  const programs = ['a', 'b', 'c', 'd'].map((id) => start('opener.ts', [path, id]))
  for (const program of programs) assert.equal(await program.ended, 0, program.output)
  const store = await openStore(path)
  const rows = await store.list('work', { offset: 0, limit: 10 })
  assert.deepEqual(rows.map(({ id }) => id).toSorted(), ['a', 'b', 'c', 'd'])
  await store.close()
})

test('a process that is killed within a step leaves nothing of it', async () => {
  using folder = testFolder()
  const path = folder.file()
  const program = start('interrupted.ts', [path])
  await program.printed('halfway')
  program.process.kill('SIGKILL')
  assert.equal(await program.ended, 'SIGKILL')
  const store = await openStore(path)
  await store.insert('work', [{ id: 'a', args: '1', priority: 0, attempts: 1 }])
  await store.close()
})
