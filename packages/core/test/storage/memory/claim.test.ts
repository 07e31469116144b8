import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLeaseLostError } from '../../../src/errors/task-errors.ts'
import { error, ids, Lab, leaseMs, poison, queue, row } from './fixture.ts'

test('claims go by priority, larger first, then runAt, then insertion', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const now = lab.clock.now()
  await lab.insert(
    'e',
    row('d', { runAt: now - 5 }),
    row('b', { priority: 2 }),
    row('f', { priority: -1, runAt: 0 }),
    row('a', { priority: 2, runAt: now - 1 }),
    row('c', { priority: 1 }),
    row('e2'),
  )
  assert.deepEqual(ids(await lab.claim(worker, 2)), ['a', 'b'])
  assert.deepEqual(ids(await lab.claim(worker, 3)), ['c', 'd', 'e'])
  await lab.insert(row('late', { priority: 3 }))
  assert.deepEqual(ids(await lab.claim(worker)), ['late', 'e2', 'f'])
  assert.deepEqual(await lab.claim(worker), [])
})

test('a claim counts the run, raises the epoch and marks the row', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert(row('a', { timeoutMs: 5, uniqueKey: 'k', metadata: { m: 1 } }))
  const createdAt = lab.clock.now()
  lab.pass(7)
  const lockedAt = lab.clock.now()
  const claimed = {
    ...row('a', { timeoutMs: 5, uniqueKey: 'k', metadata: { m: 1 } }),
    attempt: 1,
    epoch: 1,
    rescues: 0,
    releases: 0,
    errors: [],
    runAt: createdAt,
    createdAt,
    lockedAt,
  }
  assert.deepEqual(await lab.claim(worker), [claimed])
  assert.deepEqual(await lab.read('a'), { ...claimed, status: 'running', lockedBy: 'w' })
})

test('what is not due is not claimed, and dueIn tells of that only', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const claim = (limit: number): ReturnType<typeof lab.store.claim> =>
    lab.store.claim(worker, limit, { suspects: 1 })
  assert.deepEqual(await claim(10), { rows: [] })
  await lab.insert(
    row('later', { delayMs: 500 }),
    row('soon', { delayMs: 100, priority: -1 }),
    'now',
    'too',
  )
  const first = await claim(1)
  assert.deepEqual([ids(first.rows), first.dueIn], [['now'], 100])
  lab.pass(99)
  const second = await claim(10)
  assert.deepEqual([ids(second.rows), second.dueIn], [['too'], 1])
  lab.pass(1)
  const third = await claim(10)
  assert.deepEqual([ids(third.rows), third.dueIn], [['soon'], 400])
  lab.pass(1_000)
  const fourth = await claim(10)
  assert.deepEqual([ids(fourth.rows), fourth.dueIn], [['later'], undefined])
})

test('what has become due is claimed in its place among what was due before', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert(
    row('b', { delayMs: 10 }),
    row('a', { delayMs: 10, priority: 1 }),
    row('d', { delayMs: 20 }),
    row('c', { delayMs: 15 }),
  )
  lab.pass(20)
  await lab.insert('e')
  assert.deepEqual(ids(await lab.claim(worker)), ['a', 'b', 'c', 'd', 'e'])
})

test('a row that was due stays due when somebody sets the time back', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  const claimed = await lab.claimOne(worker)
  lab.pass(-60_000)
  await lab.settle(worker, claimed, { type: 'released', dueInMs: 0 })
  assert.deepEqual(ids(await lab.claim(worker)), ['a'])
})

test('a paused queue gives nothing and says nothing of what comes; the others go on', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const elsewhere = await lab.enlist('far', { queue: 'other' })
  await lab.insert('a', row('b', { delayMs: 10 }))
  await lab.store.insert('other', [row('x')])
  await lab.store.pause(queue, true)
  assert.deepEqual(await lab.store.claim(worker, 10, { suspects: 1 }), { rows: [] })
  const beat = await lab.store.beat(worker)
  assert.deepEqual([beat.paused, beat.dueIn], [true, undefined])
  assert.deepEqual(ids(await lab.claim(elsewhere)), ['x'])
  await lab.store.pause(queue, false)
  const { rows, dueIn } = await lab.store.claim(worker, 10, { suspects: 1 })
  assert.deepEqual([ids(rows), dueIn], [['a'], 10])
  assert.equal((await lab.store.beat(worker)).paused, false)
})

test('who is not registered there, or whose lease is not live, claims nothing', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  await assert.rejects(lab.claim({ ...worker, id: 'unknown' }), isLeaseLostError)
  await assert.rejects(lab.claim({ ...worker, queue: 'other' }), isLeaseLostError)
  lab.pass(leaseMs - 1)
  assert.deepEqual(ids(await lab.claim(worker, 1)), ['a'])
  lab.pass(1)
  await assert.rejects(lab.claim(worker), isLeaseLostError)
  await lab.store.beat(worker)
  assert.deepEqual(await lab.claim(worker), [])
})

test('suspects are claimed in their place, as many as may be', async () => {
  const lab = new Lab()
  await lab.insert('s1', 's2', 's3')
  for (let death = 0; death < 2; death += 1) await lab.die(3)
  lab.pass(10)
  await lab.insert('a', row('top', { priority: 1 }), 'b')
  const worker = await lab.enlist()
  assert.deepEqual(ids(await lab.claim(worker, 1, 0)), ['top'])
  assert.deepEqual(ids(await lab.claim(worker, 2, 1)), ['s1', 'a'])
  assert.deepEqual(ids(await lab.claim(worker, 9, 0)), ['b'])
  assert.deepEqual(await lab.claim(worker, 9, 0), [])
  assert.equal((await lab.store.beat(worker)).dueIn, 0, 'suspects that are due count')
  assert.deepEqual(ids(await lab.claim(worker, 9, 1)), ['s2'])
})

test('a suspect that fails and becomes due again is still one', async () => {
  const lab = new Lab()
  await lab.insert('s')
  for (let death = 0; death < 2; death += 1) await lab.die()
  const worker = await lab.enlist()
  await lab.settle(worker, await lab.claimOne(worker), {
    type: 'failed',
    error: poison,
    retryInMs: 5,
  })
  lab.pass(5)
  assert.deepEqual(await lab.claim(worker, 9, 0), [])
  assert.deepEqual(ids(await lab.claim(worker, 9, 1)), ['s'])
})

test('exchange settles, then claims; a lost lease writes nothing', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b')
  const a = await lab.claimOne(worker)
  const outcome = { type: 'failed', error: error(), retryInMs: 0 } as const
  const settlements = [{ id: 'a', epoch: a.epoch, outcome }]
  lab.pass(leaseMs)
  await assert.rejects(
    lab.store.exchange(worker, settlements, 10, { suspects: 1 }),
    isLeaseLostError,
  )
  assert.equal((await lab.read('a')).status, 'running')
  await lab.store.beat(worker)
  const { settled, claimed } = await lab.store.exchange(worker, settlements, 10, { suspects: 1 })
  assert.deepEqual(settled, ['applied'])
  assert.deepEqual(
    claimed.rows.map(({ id, attempt }) => [id, attempt]),
    [
      ['b', 1],
      ['a', 2],
    ],
  )
})
