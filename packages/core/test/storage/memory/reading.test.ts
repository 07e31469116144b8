import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/time/clock.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { error, ids, Lab, queue, row } from './fixture.ts'

const none = { pending: 0, running: 0, done: 0, failed: 0, killed: 0, due: 0 }

test('count tells the rows by status, those due, and since when', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  assert.deepEqual(await lab.store.count(queue), none)
  await lab.insert('done', 'killed', 'failed', 'running', 'suspect', 'b', 'c')
  const [done, killed, failed, running] = await lab.claim(worker, 4)
  assert.ok(done && killed && failed && running)
  await lab.settle(worker, done)
  await lab.settle(worker, killed, { type: 'killed', error: error() })
  await lab.settle(worker, failed, { type: 'failed', error: error(), retryInMs: 30 })
  assert.deepEqual(await lab.store.count(queue), {
    pending: 3,
    running: 1,
    done: 1,
    failed: 1,
    killed: 1,
    due: 3,
    oldestDueMs: 0,
  })
  lab.pass(20)
  await lab.insert(row('urgent', { priority: 9 }), row('future', { delayMs: 1 }))
  assert.deepEqual(await lab.store.count(queue), {
    pending: 5,
    running: 1,
    done: 1,
    failed: 1,
    killed: 1,
    due: 4,
    oldestDueMs: 20,
  })
  lab.pass(10)
  assert.equal((await lab.store.count(queue)).due, 6)
})

test('the oldest that is due may be a suspect, or of a small priority', async () => {
  const lab = new Lab()
  await lab.insert('suspect', row('small', { priority: -5, delayMs: 60_000 }))
  const { runAt } = await lab.read('suspect')
  for (let death = 0; death < 2; death += 1) await lab.die()
  lab.pass(5)
  await lab.insert('a')
  const worker = await lab.enlist()
  const oldest = async (): Promise<number | undefined> => (await lab.store.count(queue)).oldestDueMs
  assert.equal(await oldest(), lab.clock.now() - runAt)
  assert.deepEqual(ids(await lab.claim(worker, 1)), ['suspect'])
  assert.equal(await oldest(), 5)
  assert.deepEqual(ids(await lab.claim(worker)), ['a', 'small'])
  assert.equal(await oldest(), undefined)
})

test('what is due has waited for no time when somebody sets the clock back', async () => {
  const lab = new Lab()
  await lab.insert('a')
  lab.pass(-1_000)
  const { due, oldestDueMs } = await lab.store.count(queue)
  assert.deepEqual([due, oldestDueMs], [1, 0])
})

test('list pages in order of insertion, by status when asked', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd', 'e')
  await lab.store.update(queue, 'd', { priority: 5 })
  await lab.finish(worker, 2)
  await lab.store.remove(queue, 'b')
  await lab.insert('b')
  const list = async (offset: number, limit: number): Promise<readonly string[]> =>
    ids(await lab.store.list(queue, { offset, limit }))
  assert.deepEqual(await list(0, 10), ['a', 'c', 'd', 'e', 'b'])
  assert.deepEqual(await list(1, 2), ['c', 'd'])
  assert.deepEqual(await list(4, 2), ['b'])
  assert.deepEqual(await list(5, 2), [])
  assert.deepEqual(await list(0, 0), [])
  const done = await lab.store.list(queue, { status: 'done', offset: 1, limit: 1 })
  assert.deepEqual(ids(done), ['d'])
  assert.deepEqual(await lab.store.list('unknown', { offset: 0, limit: 10 }), [])
})

test('queues are those that have rows or are paused', async () => {
  const lab = new Lab()
  const worker = await lab.enlist('w', { queue: 'idle' })
  await lab.store.get('read', ['x'])
  await assert.rejects(lab.claim({ ...worker, queue: 'claimed' }))
  assert.deepEqual(await lab.store.queues(), [])
  await lab.store.insert('a', [row('x')])
  await lab.store.pause('b', true)
  assert.deepEqual(await lab.store.queues(), [
    { name: 'a', paused: false },
    { name: 'b', paused: true },
  ])
  await lab.store.remove('a', 'x')
  await lab.store.pause('b', false)
  assert.deepEqual(await lab.store.queues(), [])
  assert.equal((await lab.store.workers('idle')).length, 1)
})

test('without options it goes by the system clock', async () => {
  const store = new MemoryStore()
  const before = systemClock.now()
  await store.insert(queue, [row('a')])
  const [stored] = await store.get(queue, ['a'])
  assert.ok(stored && stored.createdAt >= before && stored.createdAt <= systemClock.now())
})
