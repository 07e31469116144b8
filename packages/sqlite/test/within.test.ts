import assert from 'node:assert/strict'
import { symlinkSync, unlinkSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isBackendError, isDuplicateTaskError, OptionError } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { connectBetterSqlite3 } from './support/better-sqlite3.ts'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

const better = connectBetterSqlite3()

async function assertRefused(push: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(push, (error) => {
    assert.ok(error instanceof OptionError, String(error))
    assert.match(error.message, why)
    return true
  })
}

test('the statement has run when push returns its promise, and counts with the commit', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  const tasks = storage.queue<string>('work')
  const tx = new DatabaseSync(folder.file())
  tx.exec('CREATE TABLE orders (id); BEGIN; INSERT INTO orders VALUES (1)')
  const pushes = [tasks.within(tx).push('a'), tasks.within(tx).pushBulk(['b', 'c'])]
  tx.exec('COMMIT')
  await Promise.all(pushes)
  assert.deepEqual(
    (await tasks.listTasks()).map((task) => 'args' in task && task.args),
    ['a', 'b', 'c'],
  )
  tx.close()
})

test('rolled back, nothing was there: neither the tasks nor a queue of theirs', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  const tasks = storage.queue<string>('new')
  const tx = new DatabaseSync(folder.file())
  tx.exec('BEGIN')
  const id = await tasks.within(tx).push('a', { unique: 'key' })
  tx.exec('ROLLBACK')
  assert.equal(await tasks.fetchById(id), undefined)
  assert.deepEqual(await storage.listQueues(), [])
  // The number that the queue had for a moment is somebody else's by now.
  await storage.queue<string>('other').push('x')
  await tasks.push('b', { unique: 'key' })
  assert.equal((await tasks.metrics()).pending, 1)
  tx.close()
})

test('a taken id or key raises nothing in the database: the transaction goes on', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  const tasks = storage.queue<string>('work')
  const first = await tasks.push('a', { unique: 'key' })
  const tx = new DatabaseSync(folder.file())
  tx.exec('CREATE TABLE orders (id); BEGIN')
  assert.equal(await tasks.within(tx).push('b', { unique: 'key' }), first)
  await assert.rejects(
    tasks.within(tx).push('c', { unique: 'key', onDuplicate: 'throw' }),
    isDuplicateTaskError,
  )
  tx.exec('INSERT INTO orders VALUES (1)')
  tx.exec('COMMIT')
  assert.equal(tx.prepare('SELECT count(*) AS orders FROM orders').get()?.['orders'], 1)
  assert.equal((await tasks.metrics()).pending, 1)
  tx.close()
})

test('a push that fails within a transaction undoes itself only', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const tx = new DatabaseSync(folder.file())
  tx.exec('CREATE TABLE orders (id); BEGIN; INSERT INTO orders VALUES (1)')
  const rows = [
    { id: 'a', args: '1', priority: 0, attempts: 1 },
    { id: 'b', args: '1', priority: Number.NaN, attempts: 1 },
  ]
  await assert.rejects(store.insert('work', rows, { within: tx }), isBackendError)
  assert.equal(tx.isTransaction, true)
  tx.exec('COMMIT')
  assert.deepEqual(await store.get('work', ['a', 'b']), [undefined, undefined])
  assert.equal(tx.prepare('SELECT count(*) AS orders FROM orders').get()?.['orders'], 1)
  tx.close()
  await store.close()
})

test('what is no connection to the file, or has no transaction open, is refused', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  const tasks = storage.queue<string>('work')
  const idle = new DatabaseSync(folder.file())
  await assertRefused(tasks.within(idle).push('a'), /none is open/)
  const elsewhere = new DatabaseSync(folder.file('other.db'))
  elsewhere.exec('BEGIN IMMEDIATE')
  await assertRefused(tasks.within(elsewhere).push('a'), /this one is to .*other\.db/)
  const memory = new DatabaseSync(':memory:')
  memory.exec('BEGIN')
  await assertRefused(tasks.within(memory).push('a'), /this one is to memory/)
  for (const wrong of [null, 'connection', {}, { prepare: 'no' }]) {
    await assertRefused(tasks.within(wrong as never).push('a'), /a connection of node:sqlite/)
  }
  assert.equal((await tasks.metrics()).pending, 0)
  for (const connection of [idle, elsewhere, memory]) connection.close()
})

test('a link to the file is the file', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  symlinkSync(folder.path, `${folder.path}-link`)
  const tx = new DatabaseSync(`${folder.path}-link/tasks.db`)
  unlinkSync(`${folder.path}-link`)
  tx.exec('BEGIN')
  await storage.queue<string>('work').within(tx).push('a')
  tx.exec('COMMIT')
  assert.equal((await storage.queue<string>('work').metrics()).pending, 1)
  tx.close()
})

test('a storage in memory has no transactions for others', async () => {
  await using storage = await SqliteStorage.open(':memory:')
  const tx = new DatabaseSync(':memory:')
  tx.exec('BEGIN')
  await assert.rejects(storage.queue<string>('work').within(tx).push('a'), isBackendError)
  tx.close()
})

test('another client than that of the storage is refused', { skip: better.missing }, async () => {
  using folder = testFolder()
  const connect = better.connect ?? assert.fail()
  // Of a file of its own: that it would be the same file is what must not be tried.
  const tx = connect(folder.file('other.db'))
  tx.exec('BEGIN')
  await using storage = await SqliteStorage.open(folder.file())
  await assertRefused(storage.queue<string>('work').within(tx).push('a'), /two copies of SQLite/)
  tx.close()
})

test('with better-sqlite3 on both sides', { skip: better.missing }, async () => {
  using folder = testFolder()
  const connect = better.connect ?? assert.fail()
  await using storage = await SqliteStorage.open(folder.file(), { connect })
  const tasks = storage.queue<string>('work')
  const tx = connect(folder.file())
  tx.exec('BEGIN')
  await tasks.within(tx).push('a')
  tx.exec('COMMIT')
  assert.equal((await tasks.metrics()).pending, 1)
  tx.close()
})
