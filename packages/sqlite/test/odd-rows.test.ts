import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Row, StoreWorker } from '@apalis/core'
import { TestClock } from '@apalis/core/testing'
import type { SqliteStore } from '../src/sqlite-store.ts'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

const queue = 'work'
const worker: StoreWorker = { id: 'w', name: 'w', queue, leaseMs: 30_000, layers: [] }
const claimOptions = { suspects: 1 } as const

interface Written {
  readonly store: SqliteStore
  readonly clock: TestClock
  readonly write: (sql: string) => void
  readonly row: (id: string) => Promise<Row>
}

/** A store with the rows `before`, `odd` and `after`, and somebody who writes to it by hand. */
async function written(path: string, delayMs?: number): Promise<Written> {
  const clock = new TestClock()
  const store = await openStore(path, { clock })
  await store.register(worker)
  await store.insert(
    queue,
    ['before', 'odd', 'after'].map((id) => ({
      id,
      args: '1',
      priority: 0,
      attempts: 5,
      ...(delayMs !== undefined && { delayMs }),
    })),
  )
  return {
    store,
    clock,
    write(sql) {
      const connection = new DatabaseSync(path)
      connection.exec(sql)
      connection.close()
    },
    async row(id) {
      const [row] = await store.get(queue, [id])
      assert.ok(row, `row ${id} is there`)
      return row
    },
  }
}

const changes: Readonly<Record<string, string>> = {
  'text for an attempt': "attempt = 'many'",
  'a negative attempt': 'attempt = -3',
  'half an attempt': 'attempt = 0.5',
  'no attempts at all': 'attempts = 0',
  'a blob for the attempts': "attempts = x'00ff'",
  'an epoch of text': "epoch = 'new'",
  'a negative epoch': 'epoch = -1',
  'an epoch that JavaScript has no room for': 'epoch = 9223372036854775807',
  'an attempt that JavaScript has no room for': 'attempt = -9223372036854775808',
  'negative rescues': 'rescues = -1',
  'text for the rescues': "rescues = 'two'",
  'negative releases': 'releases = -7',
  'a priority of text': "priority = 'high'",
  'a blob for a priority': "priority = x'01'",
  'a run_at of text': "run_at = 'soon'",
  'a run_at beyond all dates': 'run_at = 9000000000000000',
  'a run_at that JavaScript has no room for': 'run_at = -9223372036854775807',
  'a created_at of text': "created_at = 'once'",
  'a timeout of text': "timeout_ms = 'short'",
  'a negative timeout': 'timeout_ms = -1',
  'an unknown status': 'status = 17',
  'a status of text': "status = 'bogus'",
  'a blob for arguments': "args = x'7b7d'",
  'arguments that are nowhere': 'args = NULL',
  'metadata that is no JSON': "metadata = '{broken'",
  'metadata that is no object': "metadata = '[1]'",
  'a blob for metadata': "metadata = x'7b7d'",
  'a blob for a key': "unique_key = x'00'",
  'failures that are not there': 'failures = 3',
  'negative failures': 'failures = -3',
}

for (const [what, change] of Object.entries(changes)) {
  test(`a row with ${what} is killed, and its neighbours are not`, async () => {
    using folder = testFolder()
    const { store, write, row } = await written(folder.file())
    write(`UPDATE apalis_task SET ${change} WHERE id = 'odd'`)
    const { rows } = await store.claim(worker, 10, claimOptions)
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['before', 'after'],
    )
    const odd = await row('odd')
    assert.equal(odd.status, 'killed')
    const failure = odd.errors.at(-1)
    assert.deepEqual([failure?.name, failure?.code], ['DecodeError', 'ERR_DECODE'])
    assert.match(failure?.message ?? '', /the stored row of task odd cannot be used: ./)
    const { pending, running, killed } = await store.count(queue)
    assert.deepEqual([pending, running, killed], [0, 2, 1])
    // It can be looked at and be retried as any other.
    assert.equal((await store.list(queue, { offset: 0, limit: 10 })).length, 3)
    await store.close()
  })
}

test('one unusable row after another does not keep a claim from the others', async () => {
  using folder = testFolder()
  const { store, write } = await written(folder.file())
  write(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    INSERT INTO apalis_task (queue, id, args, priority, attempt)
    SELECT 1, 'bad ' || i, '1', 9, CASE i % 2 WHEN 0 THEN -i ELSE 9223372036854775807 END FROM n`)
  const { rows } = await store.claim(worker, 10, claimOptions)
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['before', 'odd', 'after'],
  )
  assert.equal((await store.list(queue, { status: 'killed', offset: 0, limit: 1_000 })).length, 500)
  await store.close()
})

test('failed runs that are no JSON cost the task, not its neighbours', async () => {
  using folder = testFolder()
  const { store, write, row } = await written(folder.file())
  write(`UPDATE apalis_task SET failures = 1 WHERE id = 'odd';
    INSERT INTO apalis_failure SELECT seq, '[{"name":' FROM apalis_task WHERE id = 'odd'`)
  const { rows } = await store.claim(worker, 10, claimOptions)
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['before', 'after'],
  )
  assert.equal((await row('odd')).status, 'killed')
  await store.close()
})

test('a row that only says what it is and for whom is a task', async () => {
  using folder = testFolder()
  const { store, write } = await written(folder.file())
  write(`INSERT INTO apalis_task (queue, id, args)
    SELECT id, 'by hand', '{"n":1}' FROM apalis_queue WHERE name = '${queue}'`)
  const { rows } = await store.claim(worker, 10, claimOptions)
  assert.deepEqual(rows.map(({ id }) => id).toSorted(), ['after', 'before', 'by hand', 'odd'])
  await store.close()
})

const whileRunning: Readonly<Record<string, string>> = {
  'an epoch that JavaScript has no room for': 'epoch = 9223372036854775807',
  'an epoch of text': "epoch = 'new'",
  'an attempt that JavaScript has no room for': 'attempt = -9223372036854775807',
  'an attempt of text': "attempt = 'many'",
  'rescues of text': "rescues = 'two'",
  'a run_at that JavaScript has no room for': 'run_at = -9223372036854775807',
  'another holder': 'worker = 9223372036854775807',
  'a holder of text': "worker = 'me'",
  'a status of text': "status = 'busy'",
}

for (const [what, change] of Object.entries(whileRunning)) {
  test(`a running row that gets ${what} disturbs neither beats nor the ends of its neighbours`, async () => {
    using folder = testFolder()
    const { store, clock, write, row } = await written(folder.file())
    const { rows } = await store.claim(worker, 10, claimOptions)
    write(`UPDATE apalis_task SET ${change} WHERE id = 'odd'`)
    const { held } = await store.beat(worker)
    assert.ok(held.some(({ id }) => id === 'before') && held.some(({ id }) => id === 'after'))
    const error = { name: 'Error', message: 'it failed' }
    const settled = await store.settle(
      worker,
      rows.map(({ id, epoch }) => ({
        id,
        epoch,
        outcome: id === 'odd' ? { type: 'failed', error, retryInMs: 0 } : { type: 'done' },
      })),
    )
    assert.deepEqual([settled[0], settled[2]], ['applied', 'applied'])
    assert.equal((await store.count(queue)).done, 2)
    // Whatever it is now, it comes to an end.
    await clock.advance(60_000)
    const poison = { name: 'PoisonError', message: 'too often' }
    await store.rescue(queue, 10, { maxRescues: 3, poison })
    await store.register({ ...worker, id: 'v' })
    await store.beat({ ...worker, id: 'v' })
    await store.claim({ ...worker, id: 'v' }, 10, claimOptions)
    await store.kill(queue, 'odd', error)
    assert.equal((await row('odd')).status, 'killed')
    assert.deepEqual(await store.remove(queue, 'odd'), { changed: true })
    await store.close()
  })
}

const lost: Readonly<Record<string, readonly [change: string, becomes: Row['status']]>> = {
  'a running row without a holder': ['status = 1, lane = NULL', 'pending'],
  'a running row that could be claimed as well': ['status = 1, worker = 1', 'running'],
  'a finished row made pending by hand': [
    'status = 0, lane = NULL, finished_at = 1, worker = NULL',
    'pending',
  ],
  'a pending row made done by hand': ['status = 2', 'done'],
  'an unknown status that nothing leads to': ['status = 99, lane = NULL', 'killed'],
  'a status of text that nothing leads to': ["status = 'gone', lane = NULL", 'killed'],
  'a lane that there is not': ['lane = 7', 'pending'],
  'a lane of text': ["lane = 'fast'", 'pending'],
  'a time of text, nowhere to be found': ["lane = NULL, run_at = 'soon'", 'killed'],
  'a time to come of text': ["lane = NULL, due_at = 'soon'", 'pending'],
}

for (const [what, [change, becomes]] of Object.entries(lost)) {
  test(`the next beat finds ${what}`, async () => {
    using folder = testFolder()
    const { store, write, row } = await written(folder.file())
    write(`UPDATE apalis_task SET ${change} WHERE id = 'odd'`)
    await store.beat(worker)
    assert.equal((await row('odd')).status, becomes)
    const { rows } = await store.claim(worker, 10, claimOptions)
    const expected = becomes === 'pending' ? ['before', 'odd', 'after'] : ['before', 'after']
    assert.deepEqual(
      rows.map(({ id }) => id),
      expected,
    )
    const counts = await store.count(queue)
    const { pending, running, done, failed, killed } = counts
    assert.equal(pending + running + done + failed + killed, 3)
    assert.ok(Math.min(pending, running, done, failed, killed) >= 0)
    await store.close()
  })
}

test('a time to come that was made text does not hide the next one', async () => {
  using folder = testFolder()
  const { store, clock, write } = await written(folder.file(), 60_000)
  write("UPDATE apalis_task SET due_at = 'soon', run_at = 'soon' WHERE id = 'before'")
  write("UPDATE apalis_task SET due_at = 9223372036854775807 WHERE id = 'odd'")
  assert.equal((await store.beat(worker)).dueIn, 60_000)
  await clock.advance(60_000)
  await store.register(worker)
  const { rows } = await store.claim(worker, 10, claimOptions)
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['after'],
  )
  await store.close()
})

test('what a row that was deleted by hand has left is not taken for that of the next one', async () => {
  using folder = testFolder()
  const { store, write, row } = await written(folder.file())
  const long = JSON.stringify('x'.repeat(2_000))
  const task = { id: 'long', args: long, priority: 9, attempts: 5 }
  const error = { name: 'Error', message: 'of the first' }
  await store.insert(queue, [task])
  const [first] = (await store.claim(worker, 1, claimOptions)).rows
  const outcome = { type: 'failed', error, retryInMs: 0 } as const
  await store.settle(worker, [{ id: 'long', epoch: first?.epoch ?? 0, outcome }])
  write('DELETE FROM apalis_task')
  const others = ['x', 'y', 'z'].map((id) => ({ ...task, id }))
  await store.insert(queue, [...others, { ...task, args: JSON.stringify('y'.repeat(3_000)) }])
  assert.deepEqual((await row('long')).errors, [])
  const { rows } = await store.claim(worker, 10, claimOptions)
  assert.deepEqual(
    rows.map(({ args }) => args.length),
    [2_002, 2_002, 2_002, 3_002],
  )
  await store.kill(queue, 'long', { name: 'Error', message: 'of the second' })
  assert.deepEqual(
    (await row('long')).errors.map(({ message }) => message),
    ['of the second'],
  )
  await store.close()
})
