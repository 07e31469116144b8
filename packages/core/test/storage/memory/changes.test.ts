import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBackendError } from '../../../src/errors/backend-errors.ts'
import type { RowChanges } from '../../../src/storage/task-store.ts'
import { error, ids, Lab, queue, row } from './fixture.ts'

/** A lab with one row of each status, the id telling which. */
async function oneOfEach(): Promise<Lab> {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('done', 'failed', 'killed', 'running', 'pending')
  const [done, failed, killed] = await lab.claim(worker, 4)
  assert.ok(done && failed && killed)
  await lab.settle(worker, done)
  await lab.settle(worker, failed, { type: 'failed', error: error(), retryInMs: 1_000 })
  await lab.settle(worker, killed, { type: 'killed', error: error() })
  return lab
}

test('update changes pending and failed rows, and says what stood in the way of others', async () => {
  const lab = await oneOfEach()
  const runAt = lab.clock.now() + 50
  const changes: RowChanges = { args: '0', priority: 3, runAt, metadata: { m: 1 } }
  for (const id of ['pending', 'failed']) {
    const before = await lab.read(id)
    assert.deepEqual(await lab.store.update(queue, id, changes), { changed: true })
    assert.deepEqual(await lab.read(id), { ...before, ...changes })
    assert.deepEqual(await lab.store.update(queue, id, {}), { changed: true })
    assert.deepEqual(await lab.read(id), { ...before, ...changes })
  }
  for (const status of ['running', 'done', 'killed'] as const) {
    const before = await lab.read(status)
    assert.deepEqual(await lab.store.update(queue, status, changes), { changed: false, status })
    assert.deepEqual(await lab.read(status), before)
  }
  assert.deepEqual(await lab.store.update(queue, 'missing', changes), { changed: false })
})

test('an updated row moves to its new place in the order', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd')
  await lab.store.update(queue, 'd', { priority: 1 })
  await lab.store.update(queue, 'a', { delayMs: 100 })
  await lab.store.update(queue, 'c', { runAt: 0 })
  assert.deepEqual(ids(await lab.claim(worker)), ['d', 'c', 'b'])
  assert.equal((await lab.store.beat(worker)).dueIn, 100)
  await lab.store.update(queue, 'a', { delayMs: 0 })
  assert.deepEqual(ids(await lab.claim(worker)), ['a'])
})

test('an update copies its metadata, and is refused when nothing can be ordered by it', async () => {
  const lab = new Lab()
  await lab.insert('a')
  const before = await lab.read('a')
  const refused = (thrown: unknown): boolean => isBackendError(thrown) && thrown.applied === 'no'
  await assert.rejects(lab.store.update(queue, 'a', { args: '0', runAt: Number.NaN }), refused)
  await assert.rejects(lab.store.update(queue, 'a', { priority: Number.NaN }), refused)
  assert.deepEqual(await lab.read('a'), before)
  const metadata = { tags: ['x'] }
  await lab.store.update(queue, 'a', { metadata })
  metadata.tags.push('y')
  assert.deepEqual((await lab.read('a')).metadata, { tags: ['x'] })
})

test('kill ends any unfinished row at once and leaves finished ones alone', async () => {
  const lab = await oneOfEach()
  lab.pass(5)
  for (const id of ['pending', 'failed', 'running']) {
    const { lockedBy: _, lockedAt: __, ...before } = await lab.read(id)
    assert.equal(await lab.store.kill(queue, id, error('why')), true)
    const at = lab.clock.now()
    assert.deepEqual(await lab.read(id), {
      ...before,
      status: 'killed',
      finishedAt: at,
      errors: [...before.errors, { ...error('why'), at, attempt: before.attempt }],
    })
    assert.equal(await lab.store.kill(queue, id, error('again')), false)
  }
  for (const id of ['done', 'killed']) {
    const before = await lab.read(id)
    assert.equal(await lab.store.kill(queue, id, error()), false)
    assert.deepEqual(await lab.read(id), before)
  }
  assert.equal(await lab.store.kill(queue, 'missing', error()), false)
  lab.pass(1_000)
  assert.deepEqual(await lab.claim(await lab.enlist()), [])
})

test('take gives a running row back to its old place, and only a running one', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b')
  const before = await lab.read('a')
  await lab.claimOne(worker)
  lab.pass(5)
  assert.equal(await lab.store.take(queue, 'a'), true)
  assert.deepEqual(await lab.read('a'), { ...before, epoch: 1 })
  assert.deepEqual((await lab.store.beat(worker)).held, [])
  for (const id of ['a', 'b', 'missing']) assert.equal(await lab.store.take(queue, id), false)
  assert.deepEqual(
    (await lab.claim(worker)).map(({ id, epoch, attempt }) => [id, epoch, attempt]),
    [
      ['a', 2, 1],
      ['b', 1, 1],
    ],
  )
})

test('retry makes a killed row due now, in its place by that, attempts reset or not', async () => {
  for (const resetAttempts of [true, false]) {
    const lab = new Lab()
    await lab.insert('a')
    await lab.die()
    const worker = await lab.enlist()
    await lab.settle(worker, await lab.claimOne(worker), { type: 'released', dueInMs: 1 })
    lab.pass(1)
    await lab.claimOne(worker)
    await lab.store.kill(queue, 'a', error())
    lab.pass(5)
    await lab.insert(row('before', { runAt: lab.clock.now() - 1 }), 'after')
    const { finishedAt: _, ...killed } = await lab.read('a')
    assert.deepEqual([killed.rescues, killed.releases, killed.attempt], [1, 1, 1])
    assert.deepEqual(await lab.store.retry(queue, 'a', { resetAttempts }), { changed: true })
    assert.deepEqual(await lab.read('a'), {
      ...killed,
      status: 'pending',
      runAt: lab.clock.now(),
      rescues: 0,
      releases: 0,
      attempt: resetAttempts ? 0 : 1,
    })
    assert.deepEqual(ids(await lab.claim(worker)), ['before', 'a', 'after'])
  }
})

test('a row killed as poison is no suspect once it is retried', async () => {
  const lab = new Lab()
  await lab.insert('a')
  for (let death = 0; death < 3; death += 1) await lab.die()
  assert.equal((await lab.read('a')).status, 'killed')
  await lab.store.retry(queue, 'a', { resetAttempts: true })
  assert.deepEqual(ids(await lab.claim(await lab.enlist(), 9, 0)), ['a'])
})

test('retry leaves what is not killed alone', async () => {
  const lab = await oneOfEach()
  for (const status of ['pending', 'failed', 'running', 'done'] as const) {
    const before = await lab.read(status)
    assert.deepEqual(await lab.store.retry(queue, status, { resetAttempts: true }), {
      changed: false,
      status,
    })
    assert.deepEqual(await lab.read(status), before)
  }
  assert.deepEqual(await lab.store.retry(queue, 'missing', { resetAttempts: true }), {
    changed: false,
  })
})

test('retry takes the unique key again, or is refused with who holds it', async () => {
  const lab = new Lab()
  const retry = (): ReturnType<typeof lab.store.retry> =>
    lab.store.retry(queue, 'a', { resetAttempts: true })
  await lab.insert(row('a', { uniqueKey: 'k' }))
  await lab.store.kill(queue, 'a', error())
  await lab.insert(row('b', { uniqueKey: 'k' }))
  const before = await lab.read('a')
  assert.deepEqual(await retry(), { changed: false, holder: 'b' })
  assert.deepEqual(await lab.read('a'), before)
  await lab.store.kill(queue, 'b', error())
  assert.deepEqual(await retry(), { changed: true })
  assert.deepEqual(await lab.store.insert(queue, [row('c', { uniqueKey: 'k' })]), [
    { id: 'a', existing: true },
  ])
})

test('retry of a key with a time of its own keeps it for that time, and asks for it no longer then', async () => {
  const lab = new Lab()
  const retry = (): ReturnType<typeof lab.store.retry> =>
    lab.store.retry(queue, 'a', { resetAttempts: true })
  await lab.insert(row('a', { uniqueKey: 'k', uniqueForMs: 100 }))
  await lab.store.kill(queue, 'a', error())
  lab.pass(99)
  assert.deepEqual(await retry(), { changed: true })
  assert.deepEqual(await lab.store.insert(queue, [row('b', { uniqueKey: 'k' })]), [
    { id: 'a', existing: true },
  ])
  await lab.store.kill(queue, 'a', error())
  lab.pass(1)
  await lab.insert(row('b', { uniqueKey: 'k' }))
  assert.deepEqual(await retry(), { changed: true })
  assert.deepEqual(await lab.store.insert(queue, [row('c', { uniqueKey: 'k' })]), [
    { id: 'b', existing: true },
  ])
})

test('a key whose holder outlived its time does not stand in the way of a retry', async () => {
  const lab = new Lab()
  await lab.insert(row('a', { uniqueKey: 'k' }))
  await lab.store.kill(queue, 'a', error())
  await lab.insert(row('b', { uniqueKey: 'k', uniqueForMs: 100 }))
  lab.pass(100)
  assert.deepEqual(await lab.store.retry(queue, 'a', { resetAttempts: true }), { changed: true })
  await lab.store.kill(queue, 'b', error())
  assert.deepEqual(await lab.store.insert(queue, [row('c', { uniqueKey: 'k' })]), [
    { id: 'a', existing: true },
  ])
})

test('remove forgets any row that is not running', async () => {
  const lab = await oneOfEach()
  assert.deepEqual(await lab.store.remove(queue, 'running'), {
    changed: false,
    status: 'running',
  })
  for (const id of ['pending', 'failed', 'done', 'killed']) {
    assert.deepEqual(await lab.store.remove(queue, id), { changed: true })
    assert.deepEqual(await lab.store.get(queue, [id]), [undefined])
    assert.deepEqual(await lab.store.remove(queue, id), { changed: false })
  }
  lab.pass(1_000)
  assert.deepEqual(await lab.stored(), ['running'])
  assert.deepEqual(await lab.claim(await lab.enlist()), [])
})
