import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLeaseLostError } from '../../../src/errors/task-errors.ts'
import { ids, Lab, leaseMs, poison, queue, rescuing, row } from './fixture.ts'

test('workers lists who is registered, since when, alive, and what it holds', async () => {
  const lab = new Lab()
  const startedAt = lab.clock.now()
  const worker = await lab.enlist('w', { layers: ['outer', 'inner'] })
  const far = await lab.enlist('far', { queue: 'other' })
  await lab.insert('a', 'b')
  await lab.claim(worker)
  const listed = { ...worker, startedAt, lastBeatAt: startedAt, live: true, held: 2 }
  assert.deepEqual(await lab.store.workers(queue), [listed])
  assert.deepEqual(ids(await lab.store.workers()), [worker.id, far.id])
  lab.pass(leaseMs - 1)
  await lab.store.beat(worker)
  const beaten = { ...listed, lastBeatAt: lab.clock.now() }
  assert.deepEqual(await lab.store.workers(queue), [beaten])
  lab.pass(leaseMs)
  assert.deepEqual(await lab.store.workers(queue), [{ ...beaten, live: false }])
  assert.deepEqual(await lab.store.workers('unknown'), [])
})

test('registering again renews the lease and keeps what is held', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const startedAt = lab.clock.now()
  await lab.insert('a')
  await lab.claim(worker)
  lab.pass(leaseMs + 1)
  await lab.enlist('w', { leaseMs: 50, layers: [] })
  const [listed] = await lab.store.workers(queue)
  assert.deepEqual(listed, {
    ...worker,
    leaseMs: 50,
    layers: [],
    startedAt,
    lastBeatAt: lab.clock.now(),
    live: true,
    held: 1,
  })
  assert.equal((await lab.store.beat(worker)).leaseMs, 50)
})

test('a beat renews, also a lapsed lease, and tells all that is held', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const other = await lab.enlist('other')
  await lab.insert('a', 'b', 'c', 'd', 'e')
  const [a] = await lab.claim(worker, 4)
  assert.ok(a)
  await lab.claim(other, 1)
  await lab.settle(worker, a)
  await lab.store.kill(queue, 'b', poison)
  await lab.store.take(queue, 'c')
  lab.pass(leaseMs * 2)
  const beat = await lab.store.beat(worker)
  assert.deepEqual(beat.held, [{ id: 'd', epoch: 1 }])
  assert.equal(beat.leaseMs, leaseMs)
  lab.pass(leaseMs - 1)
  assert.deepEqual(ids(await lab.claim(worker)), ['c'])
  assert.deepEqual((await lab.store.beat(worker)).held, [
    { id: 'd', epoch: 1 },
    { id: 'c', epoch: 2 },
  ])
})

test('a beat tells when the next row is due', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  assert.equal((await lab.store.beat(worker)).dueIn, undefined)
  await lab.insert(row('a', { delayMs: 100 }))
  lab.pass(40)
  assert.equal((await lab.store.beat(worker)).dueIn, 60)
  lab.pass(61)
  assert.equal((await lab.store.beat(worker)).dueIn, 0)
  await lab.claim(worker)
  assert.equal((await lab.store.beat(worker)).dueIn, undefined)
})

test('a beat tells when the next lease of another that holds something lapses', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const rescueIn = async (): Promise<number | undefined> => (await lab.store.beat(worker)).rescueIn
  await lab.insert('mine', 'a', 'b')
  await lab.claim(worker, 1)
  const idle = await lab.enlist('idle', { leaseMs: 1 })
  assert.equal(await rescueIn(), undefined)
  const slow = await lab.enlist('slow', { leaseMs: 20_000 })
  const quick = await lab.enlist('quick', { leaseMs: 10_000 })
  await lab.store.insert('other', [row('x')])
  await lab.claim(await lab.enlist('far', { queue: 'other', leaseMs: 1 }))
  await lab.claim(slow, 1)
  assert.equal(await rescueIn(), 20_000)
  lab.pass(5_000)
  await lab.claim(quick, 1)
  assert.equal(await rescueIn(), 5_000)
  lab.pass(6_000)
  assert.equal(await rescueIn(), 0)
  await lab.store.leave(quick)
  assert.equal(await rescueIn(), 9_000)
  await lab.store.leave(idle)
})

test('rows left over by a limited rescue keep asking to be rescued', async () => {
  const lab = new Lab()
  await lab.insert('a', 'b', 'c')
  const dead = await lab.enlist('dead')
  await lab.claim(dead)
  lab.pass(leaseMs)
  const worker = await lab.enlist()
  assert.equal((await lab.store.rescue(queue, 2, rescuing)).length, 2)
  assert.deepEqual(ids(await lab.store.workers(queue)), ['w'])
  await assert.rejects(lab.store.beat(dead), isLeaseLostError)
  assert.equal((await lab.store.beat(worker)).rescueIn, 0)
  assert.deepEqual(
    (await lab.store.rescue(queue, 2, rescuing)).map((rescued) => rescued.row.id),
    ['c'],
  )
  assert.equal((await lab.store.beat(worker)).rescueIn, undefined)
})

test('a rescue takes nothing from the living, and all from the dead: in place, attempt back', async () => {
  const lab = new Lab()
  const dead = await lab.enlist('dead')
  const worker = await lab.enlist('w', { leaseMs: leaseMs + 1 })
  await lab.insert('a', 'b', 'c')
  const before = await lab.read('a')
  await lab.claim(dead, 1)
  await lab.claim(worker, 1)
  lab.pass(leaseMs - 1)
  assert.deepEqual(await lab.store.rescue(queue, 10, rescuing), [])
  lab.pass(1)
  const after = { ...before, rescues: 1, epoch: 1 }
  assert.deepEqual(await lab.store.rescue(queue, 10, rescuing), [
    { row: after, outcome: 'pending' },
  ])
  assert.deepEqual(await lab.read('a'), after)
  assert.deepEqual(await lab.store.rescue(queue, 10, rescuing), [])
  const next = await lab.claim(worker)
  assert.deepEqual(ids(next), ['a', 'c'])
  assert.deepEqual([next[0]?.attempt, next[0]?.epoch], [1, 2])
})

test('a rescue ends what it sweeps for good: beat and claim throw, a settle is stale', async () => {
  const lab = new Lab()
  const dead = await lab.enlist('dead')
  await lab.insert('a')
  const claimed = await lab.claimOne(dead)
  lab.pass(leaseMs)
  await lab.store.rescue(queue, 10, rescuing)
  await assert.rejects(lab.store.beat(dead), isLeaseLostError)
  await assert.rejects(lab.claim(dead), isLeaseLostError)
  assert.equal(await lab.settle(dead, claimed), 'stale')
  assert.deepEqual(await lab.store.workers(), [])
})

test('the death that reaches maxRescues kills with the poison error and frees the key', async () => {
  const lab = new Lab()
  await lab.insert(row('a', { uniqueKey: 'k' }))
  await lab.die()
  await lab.die()
  await lab.claim(await lab.enlist())
  lab.pass(leaseMs)
  const [killed] = await lab.store.rescue(queue, 10, rescuing)
  const now = lab.clock.now()
  assert.equal(killed?.outcome, 'killed')
  assert.deepEqual(killed.row, await lab.read('a'))
  assert.deepEqual(
    [killed.row.status, killed.row.rescues, killed.row.attempt, killed.row.finishedAt],
    ['killed', 3, 0, now],
  )
  assert.deepEqual(killed.row.errors, [{ ...poison, at: now, attempt: 1 }])
  await lab.insert(row('b', { uniqueKey: 'k' }))
})

test('a rescue forgets lapsed workers of its queue that hold nothing, whatever its limit', async () => {
  const lab = new Lab()
  await lab.enlist('idle')
  await lab.enlist('far', { queue: 'other' })
  lab.pass(leaseMs)
  await lab.enlist('live')
  await lab.store.rescue(queue, 0, rescuing)
  assert.deepEqual(ids(await lab.store.workers()).toSorted(), ['far', 'live'])
  await assert.rejects(lab.store.beat({ id: 'idle', queue }), isLeaseLostError)
})

test('a rescue leaves those alone whom its limit does not reach', async () => {
  const lab = new Lab()
  await lab.insert('a', 'b')
  const one = await lab.enlist('one')
  const two = await lab.enlist('two')
  await lab.claim(one, 1)
  await lab.claim(two, 1)
  lab.pass(leaseMs)
  assert.equal((await lab.store.rescue(queue, 1, rescuing)).length, 1)
  await assert.rejects(lab.store.beat(one), isLeaseLostError)
  assert.deepEqual((await lab.store.beat(two)).held, [{ id: 'b', epoch: 1 }])
  assert.deepEqual(await lab.store.rescue(queue, 1, rescuing), [])
})

test('leave gives back all that is held and ends the lease', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c')
  const before = await lab.read('a')
  await lab.claim(worker, 2)
  lab.pass(10)
  await lab.store.leave(worker)
  assert.deepEqual(await lab.read('a'), { ...before, epoch: 1 })
  await assert.rejects(lab.store.beat(worker), isLeaseLostError)
  await assert.rejects(lab.claim(worker), isLeaseLostError)
  await lab.store.leave(worker)
  await lab.store.leave({ id: 'unknown', queue: 'unknown' })
  assert.deepEqual(ids(await lab.claim(await lab.enlist('next'))), ['a', 'b', 'c'])
})

test('who was swept but still holds something gives it back when it leaves: that is no death', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b')
  await lab.claim(worker)
  lab.pass(leaseMs)
  await lab.store.rescue(queue, 1, rescuing)
  await lab.store.leave(worker)
  const left = await lab.read('b')
  assert.deepEqual([left.status, left.rescues, left.attempt], ['pending', 0, 0])
})
