import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isLeaseLostError, type StoreWorker } from '@apalis/core'
import { TestClock } from '@apalis/core/testing'
import type { SqliteStore } from '../src/sqlite-store.ts'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

const queue = 'work'
const worker: StoreWorker = { id: 'w', name: 'w', queue, leaseMs: 30_000, layers: ['a'] }
const other: StoreWorker = { ...worker, id: 'other' }
const poison = { name: 'PoisonError', message: 'too often' }

/** A store where `other` holds a task, and `w` is about to beat. */
async function held(path: string, clock = new TestClock()): Promise<SqliteStore> {
  const store = await openStore(path, { clock })
  await store.register(other)
  await store.insert(queue, [{ id: 'a', args: '1', priority: 0, attempts: 5 }])
  await store.claim(other, 1, { suspects: 1 })
  await store.register(worker)
  return store
}

function write(path: string, sql: string): void {
  const connection = new DatabaseSync(path)
  try {
    connection.exec(sql)
  } finally {
    connection.close()
  }
}

const changes: Readonly<Record<string, string>> = {
  'a lease that ends beyond all numbers': 'lease_end = 9223372036854775807',
  'a lease that ends beyond all dates': 'lease_end = 9000000000000000',
  'a lease that ends in text': "lease_end = 'soon'",
  'a lease of text': "lease_ms = 'long'",
  'a lease that JavaScript has no room for': 'lease_ms = 9223372036854775807',
  'a beat that JavaScript has no room for': 'beat_at = 9223372036854775807',
  'a start of a blob': "started_at = x'00'",
  'layers that are no JSON': "layers = '{broken'",
  'layers that are no list': "layers = '{}'",
  'a name of a blob': "name = x'00ff'",
}

for (const [what, change] of Object.entries(changes)) {
  test(`a registration with ${what} disturbs nobody else`, async () => {
    using folder = testFolder()
    const clock = new TestClock()
    const store = await held(folder.file(), clock)
    write(folder.file(), `UPDATE apalis_worker SET ${change} WHERE incarnation = 'other'`)
    await store.beat(worker)
    const workers = await store.workers(queue)
    assert.deepEqual(workers.find(({ id }) => id === 'w')?.layers, ['a'])
    // It either goes on or is told that its lease is lost; its task comes back either way.
    await store.beat(other).catch((error: unknown) => assert.ok(isLeaseLostError(error)))
    await clock.advance(60_000)
    await store.beat(worker)
    await store.rescue(queue, 10, { maxRescues: 3, poison })
    const { rows } = await store.claim(worker, 10, { suspects: 1 })
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['a'],
    )
    await store.close()
  })
}

test('counts of a queue that JavaScript has no room for do not keep anybody from counting', async () => {
  using folder = testFolder()
  const store = await held(folder.file())
  write(
    folder.file(),
    'UPDATE apalis_queue SET done = 9223372036854775807, signs = 9223372036854775807',
  )
  assert.equal((await store.count(queue)).running, 1)
  const listening = await store.listen(() => {})
  await listening[Symbol.asyncDispose]()
  await store.close()
})

test('numbers that would spoil all numbers to come are refused by the database', async () => {
  using folder = testFolder()
  const store = await held(folder.file())
  for (const row of [
    "apalis_task (seq, queue, id, args) VALUES (9223372036854775807, 1, 'z', '1')",
    "apalis_task (seq, queue, id, args) VALUES (-9223372036854775808, 1, 'z', '1')",
    "apalis_queue (id, name) VALUES (9223372036854775807, 'z')",
    "apalis_signal (seq, type, queue, id) VALUES (9223372036854775807, 'settled', 1, 'z')",
  ]) {
    assert.throws(() => write(folder.file(), `INSERT INTO ${row}`), /CHECK constraint failed/)
  }
  await store.close()
})

test('a task whose id is no UTF-8 is killed under another, and its neighbours are not', async () => {
  using folder = testFolder()
  const store = await held(folder.file())
  const before = { id: 'x\ufffdy', args: '1', priority: 0, attempts: 5 }
  await store.insert(queue, [before])
  write(
    folder.file(),
    "INSERT INTO apalis_task (queue, id, args) VALUES (1, CAST(x'78ff79' AS TEXT), '1')",
  )
  const { rows } = await store.claim(worker, 10, { suspects: 1 })
  // The one that looks the same by what is put in place of what is wrong.
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['x\ufffdy'],
  )
  const [killed] = await store.list(queue, { status: 'killed', offset: 0, limit: 10 })
  assert.match(killed?.errors[0]?.message ?? '', /its id is no UTF-8/)
  assert.deepEqual(await store.remove(queue, killed?.id ?? ''), { changed: true })
  await store.close()
})

test('registrations of those who came and went do not pile up', async () => {
  using folder = testFolder()
  const clock = new TestClock()
  const store = await held(folder.file(), clock)
  for (let day = 0; day < 10; day += 1) {
    // One takes its leave, one dies with nothing in its hands.
    await store.register({ ...worker, id: `gone ${day}` })
    await store.leave({ queue, id: `gone ${day}` })
    await store.register({ ...worker, id: `dead ${day}` })
    await clock.advance(86_400_001)
  }
  await store.register(worker)
  const connection = new DatabaseSync(folder.file())
  const left = connection.prepare('SELECT incarnation FROM apalis_worker ORDER BY id').all()
  connection.close()
  // Whoever holds something is remembered until that is rescued.
  assert.deepEqual(
    left.map(({ incarnation }) => incarnation),
    ['other', 'w'],
  )
  await store.close()
})
