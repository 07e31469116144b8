import assert from 'node:assert/strict'
import { isLeaseLostError } from '../../errors/task-errors.ts'
import type { CaseDefinition } from './definition.ts'
import {
  between,
  claim,
  claimOne,
  enlist,
  ids,
  insert,
  leaseMs,
  newRow,
  numbered,
  queue,
  read,
  rescuing,
  settlement,
  stored,
} from './store-kit.ts'

/** `register`, `beat`, `rescue` and `leave` of the store itself. */
export const leasePrimitives: readonly CaseDefinition[] = [
  {
    name: 'a beat tells the lease, every claim held, and when work and rescues are due',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const idle = await store.beat(worker)
      assert.deepEqual([idle.leaseMs, idle.held, idle.paused], [leaseMs, [], false])
      assert.deepEqual([idle.dueIn, idle.rescueIn], [undefined, undefined])
      await store.insert(queue, [newRow('a'), newRow('b'), newRow('later', { delayMs: 60_000 })])
      assert.equal((await store.beat(worker)).dueIn, 0)
      const rows = await claim(store, worker)
      const busy = await store.beat(worker)
      assert.deepEqual(
        [...busy.held].toSorted((one, other) => one.id.localeCompare(other.id)),
        rows.map(({ id, epoch }) => ({ id, epoch })),
      )
      between(busy.dueIn, 50_000, 60_000)
      assert.equal(busy.rescueIn, undefined, 'its own lease is nothing to rescue')
      const other = await enlist(store, 'other')
      const seen = await store.beat(other)
      assert.deepEqual(seen.held, [])
      between(seen.rescueIn, leaseMs - 10_000, leaseMs)
    },
  },
  {
    name: 'rescueIn counts only workers of this queue that hold something, and is 0 once one has lapsed',
    async run(world) {
      const store = await world.store()
      await enlist(store, 'holds nothing')
      await store.insert('elsewhere', [newRow('x')])
      assert.equal((await claim(store, await enlist(store, 'far', 'elsewhere'))).length, 1)
      const worker = await enlist(store, 'w')
      assert.equal((await store.beat(worker)).rescueIn, undefined)
      await insert(store, 'a')
      await claimOne(store, await enlist(store, 'dying'))
      await world.advance(20_000, { step: 20_000 })
      await store.beat(worker)
      await world.advance(15_000, { step: 15_000 })
      assert.equal((await store.beat(worker)).rescueIn, 0)
    },
  },
  {
    name: 'beats keep a lease, registering again renews it',
    async run(world) {
      const store = await world.store()
      const beating = await enlist(store, 'beating')
      const registering = await enlist(store, 'registering')
      await insert(store, 'a', 'b')
      await claimOne(store, beating)
      await claimOne(store, registering)
      for (let round = 0; round < 4; round += 1) {
        await world.advance(20_000, { step: 20_000 })
        await store.beat(beating)
        await store.register(registering)
        assert.deepEqual(await store.rescue(queue, 10, rescuing), [])
      }
      assert.deepEqual((await store.beat(beating)).held, [{ id: 'a', epoch: 1 }])
      assert.deepEqual((await store.beat(registering)).held, [{ id: 'b', epoch: 1 }])
    },
  },
  {
    name: 'a late beat renews a lapsed lease that nobody has swept, with all it holds',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      await claimOne(store, worker)
      await world.advance(60_000, { step: 60_000 })
      assert.deepEqual((await store.beat(worker)).held, [{ id: 'a', epoch: 1 }])
      assert.deepEqual(await store.rescue(queue, 10, rescuing), [])
      assert.equal((await read(store, 'a')).lockedBy, 'w')
    },
  },
  {
    name: 'a rescue takes nothing from a live worker, and all from a dead one: pending, attempt back, in place',
    async run(world) {
      const store = await world.store()
      await insert(store, 'a', 'b', 'c')
      const dying = await enlist(store, 'dying')
      const [a, b] = await claim(store, dying, 2)
      assert.ok(a && b)
      assert.deepEqual(await store.rescue(queue, 10, rescuing), [])
      await world.advance(25_000, { step: 25_000 })
      assert.deepEqual(await store.rescue(queue, 10, rescuing), [])
      await world.advance(10_000, { step: 10_000 })
      const rescued = await store.rescue(queue, 10, rescuing)
      assert.deepEqual(rescued.map(({ outcome, row }) => `${row.id} ${outcome}`).toSorted(), [
        'a pending',
        'b pending',
      ])
      const row = await read(store, 'a')
      assert.deepEqual(
        [row.status, row.attempt, row.rescues, row.epoch, row.runAt, row.lockedBy],
        ['pending', 0, 1, 1, a.runAt, undefined],
      )
      const worker = await enlist(store, 'w')
      const again = await claim(store, worker)
      assert.deepEqual(ids(again), ['a', 'b', 'c'])
      assert.deepEqual(
        again.map(({ epoch }) => epoch),
        [2, 2, 1],
      )
    },
  },
  {
    name: 'a rescue ends the lease it sweeps: beat and claim throw, settles are stale, for good',
    async run(world) {
      const store = await world.store()
      await insert(store, 'a')
      const dying = await enlist(store, 'dying')
      const row = await claimOne(store, dying)
      await world.advance(35_000, { step: 35_000 })
      assert.equal((await store.rescue(queue, 10, rescuing)).length, 1)
      await assert.rejects(store.beat(dying), isLeaseLostError)
      await assert.rejects(store.claim(dying, 1, { suspects: 1 }), isLeaseLostError)
      assert.deepEqual(await store.settle(dying, [settlement(row)]), ['stale'])
      await assert.rejects(store.beat(dying), isLeaseLostError)
      assert.equal((await read(store, 'a')).status, 'pending')
      await assert.rejects(store.beat({ id: 'unknown', queue }), isLeaseLostError)
    },
  },
  {
    name: 'rescues at the same time take each row once, within their limits',
    async run(world) {
      const store = await world.store()
      const other = await world.harness.open()
      await insert(store, ...numbered(20))
      await claim(store, await enlist(store, 'dying'))
      await world.advance(35_000, { step: 35_000 })
      const rounds = await Promise.all(
        [store, other, store, other].map((one) => one.rescue(queue, 4, rescuing)),
      )
      assert.ok(
        rounds.every((rescued) => rescued.length <= 4),
        'a rescue went over its limit',
      )
      const rest = await store.rescue(queue, 100, rescuing)
      const all = [...rounds, rest].flat().map(({ row }) => row.id)
      assert.equal(all.length, 20)
      assert.equal(new Set(all).size, 20)
      const rows = await store.list(queue, { offset: 0, limit: 100 })
      assert.ok(rows.every(({ rescues, status }) => rescues === 1 && status === 'pending'))
    },
  },
  {
    name: 'what a rescue leaves over for its limit the next one takes: until then rescueIn is 0',
    async run(world) {
      const store = await world.store()
      await insert(store, 'a', 'b', 'c')
      const dying = await enlist(store, 'dying')
      assert.equal((await claim(store, dying)).length, 3)
      const worker = await enlist(store, 'w')
      await world.advance(20_000, { step: 20_000 })
      await store.beat(worker)
      await world.advance(15_000, { step: 15_000 })
      for (const limit of [1, 1]) {
        assert.equal((await store.rescue(queue, limit, rescuing)).length, 1)
        await assert.rejects(store.beat(dying), isLeaseLostError)
        assert.equal((await store.beat(worker)).rescueIn, 0)
      }
      assert.equal((await store.rescue(queue, 10, rescuing)).length, 1)
      assert.equal((await store.beat(worker)).rescueIn, undefined)
      const rows = await store.list(queue, { offset: 0, limit: 10 })
      assert.ok(rows.every(({ rescues, status }) => rescues === 1 && status === 'pending'))
    },
  },
  {
    name: 'the death that reaches maxRescues kills, with the poison error, once, and frees the key',
    async run(world) {
      const store = await world.store()
      await store.insert(queue, [newRow('a', { uniqueKey: 'k' })])
      for (const death of [1, 2, 3]) {
        await claimOne(store, await enlist(store, `dying ${death}`))
        await world.advance(35_000, { step: 35_000 })
        const [rescued, ...others] = await store.rescue(queue, 10, rescuing)
        assert.ok(rescued)
        assert.deepEqual(others, [])
        assert.equal(rescued.outcome, death === 3 ? 'killed' : 'pending')
        assert.equal(rescued.row.rescues, death)
        assert.equal(rescued.row.status, rescued.outcome)
      }
      assert.deepEqual(await store.rescue(queue, 10, rescuing), [])
      const row = await read(store, 'a')
      assert.deepEqual([row.status, row.rescues, row.attempt], ['killed', 3, 0])
      assert.ok(row.finishedAt !== undefined)
      assert.deepEqual(
        row.errors.map(({ name, code }) => [name, code]),
        [['PoisonError', 'ERR_TASK_POISON']],
      )
      assert.deepEqual(await store.insert(queue, [newRow('b', { uniqueKey: 'k' })]), [
        { id: 'b', existing: false },
      ])
    },
  },
  {
    name: 'a rescue forgets lapsed workers that hold nothing, and only those of its queue',
    async run(world) {
      const store = await world.store()
      await enlist(store, 'old')
      await enlist(store, 'far', 'elsewhere')
      await world.advance(35_000, { step: 35_000 })
      const worker = await enlist(store, 'new')
      await store.rescue(queue, 10, rescuing)
      assert.deepEqual(ids(await store.workers(queue)), ['new'])
      await assert.rejects(store.beat({ id: 'old', queue }), isLeaseLostError)
      await store.beat(worker)
      await store.beat({ id: 'far', queue: 'elsewhere' })
    },
  },
  {
    name: 'leave releases all it holds at once and ends the lease; an unknown worker leaves without effect',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const other = await enlist(store, 'other')
      await insert(store, 'a', 'b', 'c')
      const [a] = await claim(store, worker, 2)
      assert.ok(a)
      await claimOne(store, other)
      const before = await read(store, 'a')
      await store.leave(worker)
      await store.leave(worker)
      await store.leave({ id: 'unknown', queue })
      const row = await read(store, 'a')
      assert.deepEqual(
        [row.status, row.attempt, row.rescues, row.releases, row.runAt, row.epoch, row.lockedBy],
        ['pending', 0, 0, 0, before.runAt, 1, undefined],
      )
      await assert.rejects(store.beat(worker), isLeaseLostError)
      await assert.rejects(store.claim(worker, 1, { suspects: 1 }), isLeaseLostError)
      assert.deepEqual(await store.settle(worker, [settlement(a)]), ['stale'])
      assert.equal((await read(store, 'c')).lockedBy, 'other')
      assert.deepEqual(ids(await claim(store, other)), ['a', 'b'])
      assert.deepEqual(ids(await store.workers(queue)), ['other'])
    },
  },
  {
    name: 'what was killed or taken is no longer held',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'killed', 'taken', 'kept')
      await claim(store, worker)
      await store.kill(queue, 'killed', stored('no'))
      await store.take(queue, 'taken')
      assert.deepEqual((await store.beat(worker)).held, [{ id: 'kept', epoch: 1 }])
    },
  },
  {
    name: 'workers lists the registered incarnations: who, since when, alive, and how much they hold',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await enlist(store, 'far', 'elsewhere')
      await insert(store, 'a', 'b')
      await claim(store, worker)
      const [row, ...others] = await store.workers(queue)
      assert.ok(row)
      assert.deepEqual(others, [])
      const { startedAt, lastBeatAt, ...rest } = row
      assert.deepEqual(rest, { ...worker, live: true, held: 2 })
      assert.ok(lastBeatAt >= startedAt)
      await world.advance(20_000, { step: 20_000 })
      await store.beat(worker)
      const [beaten] = await store.workers(queue)
      assert.ok(beaten)
      assert.equal(beaten.startedAt, startedAt)
      assert.ok(beaten.lastBeatAt >= lastBeatAt + 15_000)
      await store.register(worker)
      assert.equal((await store.workers(queue))[0]?.startedAt, startedAt, 'it is the same one')
      await world.advance(35_000, { step: 35_000 })
      assert.equal((await store.workers(queue))[0]?.live, false)
      assert.deepEqual(ids(await store.workers()).toSorted(), ['far', 'w'])
    },
  },
]
