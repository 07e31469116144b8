import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionError } from '../../../src/internal/validate.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import type { NewRow } from '../../../src/storage/task-store.ts'
import { error, Lab, queue, row } from './fixture.ts'

const keyed: Partial<NewRow> = { uniqueKey: 'k', uniqueForMs: 200_000 }

test('keepFinished is a whole number', () => {
  for (const keepFinished of [-1, 1.5, Number.NaN, '5' as unknown as number]) {
    assert.throws(() => new MemoryStore({ keepFinished }), OptionError)
  }
})

test('of the finished rows, done and killed, those that ended last are kept', async () => {
  const lab = new Lab({ keepFinished: 3 })
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd', 'e', 'pending')
  await lab.store.kill(queue, 'e', error())
  await lab.store.kill(queue, 'b', error())
  await lab.finish(worker, 2)
  assert.deepEqual(await lab.stored(), ['a', 'b', 'c', 'd', 'pending'])
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['a', 'c', 'd', 'pending'])
  const { done, killed, pending } = await lab.store.count(queue)
  assert.deepEqual([done, killed, pending], [3, 0, 1])
})

test('nothing is kept when nothing is to be', async () => {
  const lab = new Lab({ keepFinished: 0 })
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c')
  await lab.finish(worker, 1)
  await lab.store.kill(queue, 'b', error())
  assert.deepEqual(await lab.stored(), ['c'])
})

test('each queue keeps its own', async () => {
  const lab = new Lab({ keepFinished: 1 })
  for (const name of ['x', 'y']) {
    await lab.store.insert(name, [row('a'), row('b')])
    await lab.store.kill(name, 'a', error())
  }
  for (const name of ['x', 'y']) assert.equal((await lab.store.count(name)).killed, 1)
})

test('a retried row is not among the finished ones until it ends again', async () => {
  const lab = new Lab({ keepFinished: 2 })
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c')
  await lab.store.kill(queue, 'a', error())
  await lab.finish(worker, 1)
  await lab.store.retry(queue, 'a', { resetAttempts: true })
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['a', 'b', 'c'])
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['a', 'c'])
})

test('an awaited row is kept for a minute after its end', async () => {
  const lab = new Lab({ keepFinished: 1 })
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd', 'e')
  await lab.store.watch(queue, ['a'])
  await lab.finish(worker, 3)
  assert.deepEqual(await lab.stored(), ['a', 'c', 'd', 'e'])
  lab.pass(59_999)
  await lab.store.beat(worker)
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['a', 'd', 'e'])
  lab.pass(1)
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['e'])
})

test('rows that are kept for a reason do not push out those that ended last', async () => {
  const lab = new Lab({ keepFinished: 2 })
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd', 'e', 'f')
  await lab.store.watch(queue, ['a', 'b', 'c'])
  await lab.finish(worker, 6)
  assert.deepEqual(await lab.stored(), ['a', 'b', 'c', 'e', 'f'])
})

test('a finished row is kept while it holds a key with a time of its own', async () => {
  const lab = new Lab({ keepFinished: 1 })
  const worker = await lab.enlist()
  await lab.insert(row('a', keyed), row('killed', { ...keyed, uniqueKey: 'l' }), 'b', 'c', 'd')
  await lab.finish(worker, 1)
  await lab.store.kill(queue, 'killed', error())
  await lab.finish(worker, 1)
  lab.pass(199_999)
  await lab.store.beat(worker)
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['a', 'killed', 'c', 'd'])
  assert.deepEqual(await lab.store.insert(queue, [row('x', { uniqueKey: 'k' })]), [
    { id: 'a', existing: true },
  ])
  lab.pass(1)
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['d'])
})

test('the one whose key is free first is forgotten first', async () => {
  const lab = new Lab({ keepFinished: 0 })
  const worker = await lab.enlist()
  await lab.insert(
    row('long', { uniqueKey: 'l', uniqueForMs: 2_000 }),
    row('short', { uniqueKey: 's', uniqueForMs: 1_000 }),
    'a',
  )
  await lab.finish(worker, 2)
  lab.pass(1_000)
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['long'])
})

test('purge forgets those of one status that ended long enough ago, oldest first, at most `limit`', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('c', 'b', 'a', 'killed', 'pending')
  for (const id of ['a', 'b', 'c']) {
    await lab.store.update(queue, id, { priority: 1 })
    await lab.finish(worker, 1)
    await lab.store.kill(queue, 'killed', error())
    lab.pass(10)
  }
  const purge = (
    olderThanMs: number,
    limit = 100,
    status: 'done' | 'killed' = 'done',
  ): Promise<number> => lab.store.purge(queue, { status, olderThanMs, limit })
  assert.equal(await purge(31), 0)
  assert.equal(await purge(20, 1), 1)
  assert.deepEqual(await lab.stored(), ['c', 'b', 'killed', 'pending'])
  assert.equal(await purge(20), 1)
  assert.equal(await purge(20), 0)
  assert.deepEqual(await lab.stored(), ['c', 'killed', 'pending'])
  assert.equal(await purge(0, 100, 'killed'), 1)
  assert.equal(await purge(0, 0), 0)
  assert.equal(await purge(0), 1)
  assert.deepEqual(await lab.stored(), ['pending'])
  assert.equal(await lab.store.purge('unknown', { status: 'done', olderThanMs: 0, limit: 9 }), 0)
})

test('purge passes over rows that hold their key, and takes them once they do not', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert(row('a', keyed), 'b', row('c', { ...keyed, uniqueKey: 'l' }), 'd')
  await lab.finish(worker, 4)
  const purge = (): Promise<number> =>
    lab.store.purge(queue, { status: 'done', olderThanMs: 100_000, limit: 100 })
  lab.pass(100_000)
  assert.equal(await purge(), 2)
  assert.deepEqual(await lab.stored(), ['a', 'c'])
  assert.equal(await purge(), 0)
  lab.pass(100_000)
  assert.equal(await purge(), 2)
  assert.deepEqual(await lab.stored(), [])
})

test('purge passed over a row once: others to keep are still counted right', async () => {
  const lab = new Lab({ keepFinished: 2 })
  const worker = await lab.enlist()
  await lab.insert(row('a', keyed), 'b', 'c', 'd')
  await lab.finish(worker, 1)
  lab.pass(1_000)
  assert.equal(await lab.store.purge(queue, { status: 'done', olderThanMs: 0, limit: 9 }), 0)
  await lab.finish(worker, 3)
  assert.deepEqual(await lab.stored(), ['a', 'c', 'd'])
})

test('that a row is awaited keeps it from being forgotten by count only', async () => {
  const lab = new Lab({ keepFinished: 1 })
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd')
  await lab.store.watch(queue, ['a', 'b'])
  await lab.finish(worker, 1)
  lab.pass(10)
  await lab.finish(worker, 2)
  assert.deepEqual(await lab.stored(), ['a', 'b', 'c', 'd'])
  assert.equal(await lab.store.purge(queue, { status: 'done', olderThanMs: 10, limit: 9 }), 1)
  assert.deepEqual(await lab.stored(), ['b', 'c', 'd'])
  await lab.finish(worker, 1)
  assert.deepEqual(await lab.stored(), ['b', 'd'])
})

test('a set clock does not change who ended first', async () => {
  const lab = new Lab({ keepFinished: 2 })
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd')
  await lab.finish(worker, 1)
  lab.pass(-5_000)
  await lab.finish(worker, 2)
  assert.deepEqual(await lab.stored(), ['b', 'c', 'd'])
})
