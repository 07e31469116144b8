import assert from 'node:assert/strict'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isBackendError, OptionError, type StoreWorker, turn } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { TestClock } from '@apalis/core/testing'
import { openDatabase } from '../src/open-database.ts'
import { Maintenance } from '../src/maintenance.ts'
import { Transactions } from '../src/transactions.ts'
import { connectNodeSqlite } from '../src/client.ts'
import { connectBetterSqlite3 } from './support/better-sqlite3.ts'
import { testFolder } from './support/files.ts'
import { start } from './support/programs.ts'
import { openStore } from './support/stores.ts'

const queue = 'work'
const better = connectBetterSqlite3()

test('what is purged makes the file smaller, and leaves nothing behind', async () => {
  using folder = testFolder()
  const clock = new TestClock()
  const store = await openStore(folder.file(), { clock, synchronous: 'normal' })
  const worker: StoreWorker = { id: 'w', name: 'w', queue, leaseMs: 30_000, layers: [] }
  await store.register(worker)
  const args = JSON.stringify('x'.repeat(20_000))
  const ids = Array.from({ length: 1_000 }, (_, index) => `task ${index}`)
  await store.insert(
    queue,
    ids.map((id) => ({ id, args, priority: 0, attempts: 1 })),
  )
  const { rows } = await store.claim(worker, 1_000, { suspects: 0 })
  const error = { name: 'Error', message: 'no' }
  await store.settle(
    worker,
    rows.map(({ id, epoch }) => ({ id, epoch, outcome: { type: 'killed', error } })),
  )
  const pages = (): number => {
    const connection = new DatabaseSync(folder.file())
    const count = connection.prepare('PRAGMA page_count').get()?.['page_count']
    connection.close()
    return Number(count)
  }
  const before = pages()
  await clock.advance(10)
  const purge = { status: 'killed', olderThanMs: 1, limit: 500 } as const
  assert.equal(await store.purge(queue, purge), 500)
  assert.equal(await store.purge(queue, purge), 500)
  assert.equal(await store.purge(queue, purge), 0)
  assert.ok(pages() < before / 2, `${before} pages became ${pages()}`)
  const connection = new DatabaseSync(folder.file())
  for (const table of ['task', 'payload', 'failure', 'awaited']) {
    assert.equal(connection.prepare(`SELECT count(*) AS n FROM apalis_${table}`).get()?.['n'], 0)
  }
  connection.close()
  await store.close()
})

test('readers that overlap for ever do not make the log grow for ever', async () => {
  using folder = testFolder()
  const path = folder.file()
  const database = await openDatabase({
    path,
    connect: connectNodeSqlite,
    synchronous: 'normal',
    now: 0,
    lockTimeoutMs: 1_000,
  })
  const transactions = new Transactions({
    database,
    now: () => 0,
    lockTimeoutMs: 1_000,
    committed: () => {},
  })
  const mostBytes = 8 * 2 ** 20
  const maintenance = new Maintenance(database, transactions, { largestLog: mostBytes, everyMs: 0 })
  database.client.exec('CREATE TABLE filler (text)')
  const reader = start('reader.ts', [path])
  await reader.printed('reading')
  let largest = 0
  for (let round = 0; round < 60; round += 1) {
    await transactions.write('fill', ({ sql }) => {
      sql.run('DELETE FROM filler')
      sql.run('INSERT INTO filler VALUES (hex(randomblob(500000)))')
    })
    maintenance.boundLog()
    await turn()
    largest = Math.max(largest, statSync(`${path}-wal`).size)
  }
  reader.process.kill('SIGKILL')
  await reader.ended
  assert.ok(largest < 4 * mostBytes, `the log came to ${largest} bytes`)
  database.client.close()
})

test('a backup has what was committed, while work goes on, and its name only when it is whole', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  const tasks = storage.queue<number>('work')
  await tasks.pushBulk(Array.from({ length: 5_000 }, (_, index) => index))
  const backup = storage.backup(folder.file('copy.db'))
  const meanwhile = tasks.push(-1)
  await Promise.all([backup, meanwhile])
  assert.equal(existsSync(folder.file('copy.db.partial')), false)
  await using copy = await SqliteStorage.open(folder.file('copy.db'))
  const { pending } = await copy.queue<number>('work').metrics()
  assert.ok(pending === 5_000 || pending === 5_001, `${pending}`)
  await storage.backup(folder.file('copy2.db'))
  writeFileSync(folder.file('copy2.db.partial'), 'of an earlier one that was interrupted')
  await storage.backup(folder.file('copy2.db'))
  await using second = await SqliteStorage.open(folder.file('copy2.db'))
  assert.equal((await second.queue<number>('work').metrics()).pending, 5_001)
})

test('backups to one path at the same time follow each other', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  await storage.queue<number>('work').pushBulk(Array.from({ length: 5_000 }, (_, index) => index))
  const backups = [1, 2, 3].map(() => storage.backup(folder.file('copy.db')))
  await Promise.all(backups)
  await using copy = await SqliteStorage.open(folder.file('copy.db'))
  assert.equal((await copy.queue<number>('work').metrics()).pending, 5_000)
})

test('a backup takes nothing of what was done to the one before, whoever was killed at it', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  const tasks = storage.queue<number>('work')
  await tasks.push(1)
  await storage.backup(folder.file('copy.db'))
  const program = start('killed.ts', [folder.file('copy.db')])
  assert.equal(await program.ended, 'SIGKILL', program.output)
  assert.ok(statSync(folder.file('copy.db-wal')).size > 0)
  await tasks.pushBulk(Array.from({ length: 500 }, (_, index) => index))
  await storage.backup(folder.file('copy.db'))
  await using copy = await SqliteStorage.open(folder.file('copy.db'))
  assert.equal((await copy.queue<number>('work').metrics()).pending, 501)
  const connection = new DatabaseSync(folder.file('copy.db'))
  assert.deepEqual(
    { ...connection.prepare('PRAGMA integrity_check').get() },
    {
      integrity_check: 'ok',
    },
  )
  connection.close()
})

test('a backup of a storage in memory, and of one on another client', async () => {
  using folder = testFolder()
  await using memory = await SqliteStorage.open(':memory:')
  await memory.queue<number>('work').push(1)
  await memory.backup(folder.file('memory.db'))
  await using copy = await SqliteStorage.open(folder.file('memory.db'))
  assert.equal((await copy.queue<number>('work').metrics()).pending, 1)
  if (better.connect === undefined) return
  const other = await SqliteStorage.open(folder.file('other.db'), { connect: better.connect })
  await other.queue<number>('work').push(1)
  await other.backup(folder.file('other-copy.db'))
  await other.close()
  await using otherCopy = await SqliteStorage.open(folder.file('other-copy.db'))
  assert.equal((await otherCopy.queue<number>('work').metrics()).pending, 1)
})

test('a backup to nowhere, or onto the file itself, is refused', async () => {
  using folder = testFolder()
  await using storage = await SqliteStorage.open(folder.file())
  await assert.rejects(storage.backup(folder.file('missing/copy.db')), (error) => {
    assert.ok(isBackendError(error))
    assert.ok(error.message.includes(folder.file('missing/copy.db')), error.message)
    return true
  })
  for (const path of ['', 7, folder.file()]) {
    await assert.rejects(storage.backup(path as string), OptionError)
  }
})
