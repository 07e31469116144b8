import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoreOutcome } from '../../../src/storage/task-store.ts'
import { error, ids, Lab, queue, row } from './fixture.ts'

const outcomes: readonly StoreOutcome[] = [
  { type: 'done', result: '1' },
  { type: 'failed', error: error(), retryInMs: 60_000 },
  { type: 'killed', error: error() },
  { type: 'released', dueInMs: 0 },
  { type: 'released', dueInMs: 60_000 },
]

test('done keeps the result and uses the attempt', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  const claimed = await lab.claimOne(worker)
  lab.pass(5)
  assert.equal(await lab.settle(worker, claimed, { type: 'done', result: '{"n":1}' }), 'applied')
  const { lockedAt: _, ...rest } = claimed
  assert.deepEqual(await lab.read('a'), {
    ...rest,
    status: 'done',
    result: '{"n":1}',
    finishedAt: lab.clock.now(),
  })
})

test('failed keeps the error and runs again after the delay', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  const claimed = await lab.claimOne(worker)
  lab.pass(5)
  const failure = { ...error(), stack: 'at x', code: 'E', cause: error('inner') }
  await lab.settle(worker, claimed, { type: 'failed', error: failure, retryInMs: 100 })
  const failed = await lab.read('a')
  const now = lab.clock.now()
  assert.deepEqual(
    [failed.status, failed.attempt, failed.runAt, failed.lockedBy, failed.finishedAt],
    ['failed', 1, now + 100, undefined, undefined],
  )
  assert.deepEqual(failed.errors, [{ ...failure, at: now, attempt: 1 }])
  lab.pass(99)
  assert.deepEqual(await lab.claim(worker), [])
  lab.pass(1)
  const again = await lab.claimOne(worker)
  assert.deepEqual([again.id, again.attempt, again.epoch], ['a', 2, 2])
})

test('killed keeps the error and never runs again', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  await lab.settle(worker, await lab.claimOne(worker), { type: 'killed', error: error('why') })
  const killed = await lab.read('a')
  const now = lab.clock.now()
  assert.deepEqual([killed.status, killed.attempt, killed.finishedAt], ['killed', 1, now])
  assert.deepEqual(killed.errors, [{ ...error('why'), at: now, attempt: 1 }])
  assert.deepEqual(await lab.claim(worker), [])
})

test('released at once gives back the attempt and the place, and is not counted', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b')
  const before = await lab.read('a')
  lab.pass(5)
  await lab.settle(worker, await lab.claimOne(worker), { type: 'released', dueInMs: 0 })
  assert.deepEqual(await lab.read('a'), { ...before, epoch: 1 })
  assert.deepEqual(ids(await lab.claim(worker)), ['a', 'b'])
})

test('released for later gives back the attempt, waits and is counted until an attempt is used', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  for (let releases = 1; releases <= 2; releases += 1) {
    await lab.settle(worker, await lab.claimOne(worker), {
      type: 'released',
      dueInMs: 100,
      error: error(`snooze ${releases}`),
    })
    const released = await lab.read('a')
    assert.deepEqual(
      [released.status, released.attempt, released.releases, released.runAt],
      ['pending', 0, releases, lab.clock.now() + 100],
    )
    assert.deepEqual(released.errors.at(-1), {
      ...error(`snooze ${releases}`),
      at: lab.clock.now(),
      attempt: 1,
    })
    assert.deepEqual(await lab.claim(worker), [])
    lab.pass(100)
  }
  await lab.settle(worker, await lab.claimOne(worker), { type: 'released', dueInMs: 0 })
  assert.equal((await lab.read('a')).releases, 2)
  await lab.settle(worker, await lab.claimOne(worker), {
    type: 'failed',
    error: error(),
    retryInMs: 0,
  })
  assert.equal((await lab.read('a')).releases, 0)
})

test('the last ten errors are kept, oldest first', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  for (let run = 1; run <= 12; run += 1) {
    await lab.settle(worker, await lab.claimOne(worker), {
      type: 'failed',
      error: error(`${run}`),
      retryInMs: 0,
    })
    assert.equal((await lab.read('a')).errors.length, Math.min(run, 10))
  }
  assert.deepEqual(
    (await lab.read('a')).errors.map(({ message, attempt }) => [message, attempt]),
    Array.from({ length: 10 }, (_, index) => [`${index + 3}`, index + 3]),
  )
})

test('the same outcome again is repeated, another one stale, and neither writes', async () => {
  for (const outcome of outcomes) {
    const lab = new Lab()
    const worker = await lab.enlist()
    const other = await lab.enlist('other')
    await lab.insert('a')
    const claimed = await lab.claimOne(worker)
    assert.equal(await lab.settle(worker, claimed, outcome), 'applied')
    const before = await lab.read('a')
    lab.pass(1)
    for (const again of outcomes) {
      const expected = again.type === outcome.type ? 'repeated' : 'stale'
      assert.equal(await lab.settle(worker, claimed, again), expected)
      assert.equal(await lab.settle(other, claimed, again), 'stale')
    }
    assert.deepEqual(await lab.read('a'), before)
  }
})

test('one call settles in order, and one claim once', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b')
  const outcome = { type: 'done' } as const
  const rows = await lab.claim(worker)
  const settlements = rows.map(({ id, epoch }) => ({ id, epoch, outcome }))
  assert.deepEqual(
    await lab.store.settle(worker, [
      ...settlements,
      { id: 'missing', epoch: 1, outcome },
      ...settlements,
    ]),
    ['applied', 'applied', 'stale', 'repeated', 'repeated'],
  )
})

test('another epoch, worker, queue or status is stale', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const other = await lab.enlist('other')
  await lab.insert('a', 'pending')
  const claimed = await lab.claimOne(worker)
  const before = await lab.read('a')
  assert.equal(await lab.settle(worker, { id: 'a', epoch: 0 }), 'stale')
  assert.equal(await lab.settle(worker, { id: 'a', epoch: 2 }), 'stale')
  assert.equal(await lab.settle(other, claimed), 'stale')
  assert.equal(await lab.settle({ ...worker, id: 'unknown' }, claimed), 'stale')
  assert.equal(await lab.settle({ ...worker, queue: 'elsewhere' }, claimed), 'stale')
  assert.equal(await lab.settle(worker, { id: 'pending', epoch: 0 }), 'stale')
  assert.deepEqual(await lab.read('a'), before)
})

test('what happened to the row since makes a settle stale', async () => {
  const changes: readonly (readonly [string, (lab: Lab) => Promise<unknown>])[] = [
    ['killed', (lab) => lab.store.kill(queue, 'a', error())],
    ['taken', (lab) => lab.store.take(queue, 'a')],
    [
      'taken and claimed again',
      async (lab) => {
        await lab.store.take(queue, 'a')
        await lab.claim(await lab.enlist('other'))
      },
    ],
    [
      'taken and claimed again by the same worker',
      async (lab) => {
        await lab.store.take(queue, 'a')
        await lab.claim(await lab.enlist())
      },
    ],
    [
      'killed and removed',
      async (lab) => {
        await lab.store.kill(queue, 'a', error())
        await lab.store.remove(queue, 'a')
      },
    ],
    [
      'killed, removed and inserted again',
      async (lab) => {
        await lab.store.kill(queue, 'a', error())
        await lab.store.remove(queue, 'a')
        await lab.insert('a')
      },
    ],
  ]
  for (const [name, change] of changes) {
    for (const outcome of outcomes) {
      const lab = new Lab()
      const worker = await lab.enlist()
      await lab.insert('a')
      const claimed = await lab.claimOne(worker)
      await change(lab)
      const before = await lab.store.get(queue, ['a'])
      assert.equal(await lab.settle(worker, claimed, outcome), 'stale', `${outcome.type}, ${name}`)
      assert.deepEqual(await lab.store.get(queue, ['a']), before)
    }
  }
})

test('an outcome that the row no longer shows is not repeated', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('failed', 'killed', 'released')
  const [failed, killed, released] = await lab.claim(worker)
  assert.ok(failed && killed && released)
  const failure = { type: 'failed', error: error(), retryInMs: 5 } as const
  const kill = { type: 'killed', error: error() } as const
  await lab.settle(worker, failed, failure)
  await lab.settle(worker, killed, kill)
  await lab.settle(worker, released, { type: 'released', dueInMs: 5 })
  await lab.store.kill(queue, 'failed', error())
  await lab.store.retry(queue, 'killed', { resetAttempts: true })
  assert.equal(await lab.settle(worker, killed, kill), 'stale', 'retried, and not claimed yet')
  lab.pass(5)
  await lab.claim(worker)
  assert.equal(await lab.settle(worker, failed, failure), 'stale')
  assert.equal(await lab.settle(worker, failed, kill), 'stale')
  assert.equal(await lab.settle(worker, killed, kill), 'stale')
  assert.equal(await lab.settle(worker, released, { type: 'released', dueInMs: 5 }), 'stale')
})

test('an outcome of an earlier claim does not count for a later one that was taken away', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  const failure = { type: 'failed', error: error(), retryInMs: 0 } as const
  await lab.settle(worker, await lab.claimOne(worker), failure)
  const again = await lab.claimOne(worker)
  await lab.store.take(queue, 'a')
  assert.equal(await lab.settle(worker, again, failure), 'stale')
})

test('a settle needs no live lease as long as nobody has swept it', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert(row('a'))
  const claimed = await lab.claimOne(worker)
  lab.pass(100_000)
  assert.equal(await lab.settle(worker, claimed), 'applied')
})
