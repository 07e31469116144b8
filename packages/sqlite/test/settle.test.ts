import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { ClaimedRow, StoreSettled, StoreSettlement, StoreWorker } from '@apalis/core'
import type { SqliteStore } from '../src/sqlite-store.ts'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

const queue = 'work'
const worker: StoreWorker = { id: 'w', name: 'w', queue, leaseMs: 30_000, layers: [] }
const options = { suspects: 1 } as const
const error = { name: 'Error', message: 'no' }

/** Ids that have to come back from wherever they go as they are. */
const ids = ['a', 'b "c"', "d'", '\\u0041', 'e\nf', '\u2028', 'ž', '💾', '[]', 'null', '%', 'g']

async function claimed(store: SqliteStore): Promise<readonly ClaimedRow[]> {
  await store.register(worker)
  await store.insert(
    queue,
    ids.map((id) => ({ id, args: '1', priority: 0, attempts: 5 })),
  )
  return (await store.claim(worker, 100, options)).rows
}

function done({ id, epoch }: Pick<ClaimedRow, 'id' | 'epoch'>): StoreSettlement {
  return { id, epoch, outcome: { type: 'done' } }
}

async function counts(store: SqliteStore): Promise<readonly number[]> {
  const { pending, running, done: ended, failed, killed } = await store.count(queue)
  return [pending, running, ended, failed, killed]
}

test('many that are done are settled together, whatever their ids are', async () => {
  using folder = testFolder()
  const statements: string[] = []
  const store = await openStore(folder.file(), {
    connect(path) {
      const client = new DatabaseSync(path)
      const prepare = client.prepare.bind(client)
      client.prepare = (sql) => {
        statements.push(sql)
        return prepare(sql)
      }
      return client
    },
  })
  const rows = await claimed(store)
  statements.length = 0
  const settled = await store.settle(worker, rows.map(done))
  assert.deepEqual(
    settled,
    ids.map(() => 'applied'),
  )
  assert.deepEqual(await counts(store), [0, 0, ids.length, 0, 0])
  const updates = statements.filter((sql) => sql.startsWith('UPDATE apalis_task'))
  assert.equal(updates.length, 1, updates.join('\n'))
  const again = await store.settle(worker, rows.map(done))
  assert.deepEqual(
    again,
    ids.map(() => 'repeated'),
  )
  assert.deepEqual(await counts(store), [0, 0, ids.length, 0, 0])
  await store.close()
})

test("those among many that are somebody else's are stale, and the others are settled", async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const rows = await claimed(store)
  await store.kill(queue, 'a', error)
  await store.take(queue, 'ž')
  const { rows: again } = await store.claim(worker, 1, options)
  assert.equal(again[0]?.epoch, 2)
  const settled = await store.settle(worker, rows.map(done))
  const expected = ids.map((id): StoreSettled => (id === 'a' || id === 'ž' ? 'stale' : 'applied'))
  assert.deepEqual(settled, expected)
  assert.deepEqual(await counts(store), [0, 1, ids.length - 2, 0, 1])
  await store.close()
})

test('each outcome among many is written in its turn', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const rows = await claimed(store)
  const settlements = rows.map((row, index): StoreSettlement => {
    if (index === 5) return { ...done(row), outcome: { type: 'done', result: '"result"' } }
    if (index === 6) return { ...done(row), outcome: { type: 'failed', error, retryInMs: 0 } }
    return done(row)
  })
  const [first] = rows
  assert.ok(first)
  // Once more, and once otherwise than before.
  const twice = [
    ...settlements,
    done(first),
    { ...done(first), outcome: { type: 'killed', error } } as const,
  ]
  const settled = await store.settle(worker, twice)
  assert.deepEqual(settled, [...ids.map(() => 'applied'), 'repeated', 'stale'])
  assert.deepEqual(await counts(store), [0, 0, ids.length - 1, 1, 0])
  assert.equal((await store.get(queue, [ids[5] ?? '']))[0]?.result, '"result"')
  await store.close()
})

test('many of one id are one, and its repetitions', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const [first] = await claimed(store)
  assert.ok(first)
  const settled = await store.settle(
    worker,
    Array.from({ length: 8 }, () => done(first)),
  )
  assert.deepEqual(settled, ['applied', ...Array.from({ length: 7 }, () => 'repeated')])
  assert.deepEqual(await counts(store), [0, ids.length - 1, 1, 0, 0])
  await store.close()
})
