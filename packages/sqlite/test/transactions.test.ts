import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isBackendError, isLeaseLostError, type NewRow, turn } from '@apalis/core'
import type { SqliteConnection } from '../src/client.ts'
import type { Database } from '../src/database.ts'
import { openDatabase } from '../src/open-database.ts'
import { Transactions } from '../src/transactions.ts'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

const queue = 'work'
const settings = { suspects: 1 } as const

function row(id: string, args = '1'): NewRow {
  return { id, args, priority: 0, attempts: 5 }
}

/** A connection that counts the commits made through it. */
function counting(commits: { count: number }): (path: string) => SqliteConnection {
  return (path) => {
    const connection = new DatabaseSync(path)
    return {
      exec: (sql) => connection.exec(sql),
      close: () => connection.close(),
      get isTransaction() {
        return connection.isTransaction
      },
      prepare(sql) {
        const statement = connection.prepare(sql)
        return {
          run(...values) {
            if (sql === 'COMMIT') commits.count += 1
            return statement.run(...values)
          },
          get: (...values) => statement.get(...values),
          all: (...values) => statement.all(...values),
        }
      },
    }
  }
}

async function openCounted(
  path: string,
  longestMs: number,
): Promise<{
  readonly commits: { count: number }
  readonly transactions: Transactions
  readonly database: Database
}> {
  const commits = { count: 0 }
  const database = await openDatabase({
    path,
    connect: counting(commits),
    synchronous: 'full',
    now: 0,
    lockTimeoutMs: 1_000,
  })
  commits.count = 0
  const transactions = new Transactions({
    database,
    now: () => 0,
    lockTimeoutMs: 1_000,
    longestMs,
    committed: () => {},
  })
  return { commits, transactions, database }
}

test('calls of one turn share a transaction, whoever makes them', async () => {
  using folder = testFolder()
  const { commits, transactions, database } = await openCounted(folder.file(), 60_000)
  const open = (name: string): Promise<unknown> =>
    transactions.write(name, ({ queues }) => queues.open(name).id)
  assert.deepEqual(
    await Promise.all([open('a'), open('b'), Promise.resolve().then(() => open('c')), open('a')]),
    [1, 2, 3, 1],
  )
  assert.equal(commits.count, 1)
  database.client.close()
})

test('a transaction takes no more calls when its time is over: each goes into the next', async () => {
  using folder = testFolder()
  const { commits, transactions, database } = await openCounted(folder.file(), 1e-9)
  const calls = ['a', 'b', 'c'].map((name) =>
    transactions.write(name, ({ queues }) => queues.open(name).id),
  )
  assert.deepEqual(await Promise.all(calls), [1, 2, 3])
  assert.equal(commits.count, 3)
  database.client.close()
})

test('a call that fails does nothing, and the others of its transaction are none the worse', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const stranger = { id: 'stranger', queue }
  const [a, nan, claim, b] = await Promise.allSettled([
    store.insert(queue, [row('a')]),
    store.insert('never', [row('x'), { ...row('y'), priority: Number.NaN }]),
    store.claim(stranger, 1, settings),
    store.insert(queue, [row('b')]),
  ])
  assert.deepEqual([a.status, b.status], ['fulfilled', 'fulfilled'])
  assert.ok(nan.status === 'rejected' && isBackendError(nan.reason))
  assert.ok(claim.status === 'rejected' && isLeaseLostError(claim.reason))
  assert.deepEqual(await store.queues(), [{ name: queue, paused: false }])
  assert.equal((await store.count(queue)).pending, 2)
  await store.close()
})

test('a lock that others hold is waited for outside of SQLite: the event loop goes on', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const other = new DatabaseSync(folder.file())
  other.exec('BEGIN IMMEDIATE')
  let stored = false
  const insert = store.insert(queue, [row('a')]).then(() => (stored = true))
  for (let turns = 0; turns < 50; turns += 1) await turn()
  assert.equal(stored, false)
  // Readers wait for nobody.
  assert.deepEqual(await store.get(queue, ['a']), [undefined])
  other.exec('ROLLBACK')
  await insert
  assert.equal((await store.get(queue, ['a']))[0]?.status, 'pending')
  other.close()
  await store.close()
})

test('a lock that is held for too long fails the call, which then has done nothing', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file(), { lockTimeoutMs: 50 })
  const other = new DatabaseSync(folder.file())
  other.exec('BEGIN IMMEDIATE')
  await assert.rejects(store.insert(queue, [row('a')]), (error) => {
    assert.ok(isBackendError(error))
    assert.deepEqual([error.transient, error.applied, error.operation], [true, 'no', 'insert'])
    assert.ok(error.message.includes(folder.file()), error.message)
    return true
  })
  other.exec('ROLLBACK')
  assert.deepEqual(await store.get(queue, ['a']), [undefined])
  await store.insert(queue, [row('a')])
  other.close()
  await store.close()
})

test('a full disk fails all calls of the transaction, stores none, and passes', async () => {
  using folder = testFolder()
  const connections: DatabaseSync[] = []
  const store = await openStore(folder.file(), {
    connect(path) {
      const connection = new DatabaseSync(path)
      connections.push(connection)
      return connection
    },
  })
  await store.insert(queue, [row('before')])
  const limit = (pages: number): void => {
    connections[0]?.exec(`PRAGMA max_page_count = ${pages}`)
  }
  // No file is smaller than it is: from now on it does not grow.
  limit(1)
  const large = 'x'.repeat(1_000_000)
  const calls = await Promise.allSettled([
    store.insert(queue, [row('small')]),
    store.insert(queue, [row('large', large)]),
  ])
  for (const call of calls) {
    assert.ok(call.status === 'rejected' && isBackendError(call.reason))
    assert.deepEqual([call.reason.transient, call.reason.applied], [true, 'no'])
    assert.match(call.reason.message, /full/)
  }
  assert.deepEqual(await store.get(queue, ['small', 'large']), [undefined, undefined])
  assert.equal((await store.count(queue)).pending, 1)
  limit(1_000_000)
  await store.insert(queue, [row('small'), row('large', large)])
  assert.equal((await store.count(queue)).pending, 3)
  assert.equal((await store.get(queue, ['large']))[0]?.args, large)
  await store.close()
})

test('arguments of any length are kept, changed and forgotten with their row', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const long = JSON.stringify('ž'.repeat(500_000))
  const worker = { id: 'w', name: 'w', queue, leaseMs: 30_000, layers: [] }
  await store.register(worker)
  await store.insert(queue, [row('a', long), row('b'), row('c', long)])
  await store.update(queue, 'a', { args: '"short"' })
  await store.update(queue, 'b', { args: long })
  const args = async (): Promise<unknown> =>
    (await store.list(queue, { offset: 0, limit: 10 })).map((one) => one.args)
  assert.deepEqual(await args(), ['"short"', long, long])
  const { rows } = await store.claim(worker, 10, settings)
  assert.deepEqual(
    rows.map((one) => one.args),
    ['"short"', long, long],
  )
  await store.leave(worker)
  for (const id of ['a', 'b', 'c']) await store.remove(queue, id)
  const other = new DatabaseSync(folder.file())
  assert.equal(other.prepare('SELECT count(*) AS rest FROM apalis_payload').get()?.['rest'], 0)
  other.close()
  await store.close()
})
