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
  newRow,
  numbered,
  queue,
  read,
  rescuing,
  settle,
  settlement,
  stored,
} from './store-kit.ts'

/** `claim` of the store itself. */
export const claimPrimitives: readonly CaseDefinition[] = [
  {
    name: 'claim goes by priority, larger first, then runAt, then insertion',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const past = world.harness.clock.now() - 3_600_000
      await store.insert(queue, [
        newRow('low', { priority: -1, runAt: past }),
        newRow('second', { runAt: past + 2 }),
        newRow('third', { runAt: past + 2 }),
        newRow('first', { runAt: past + 1 }),
        newRow('high', { priority: 1, runAt: past + 9 }),
        newRow('higher', { priority: 32_767, runAt: past + 9 }),
        newRow('lowest', { priority: -32_768, runAt: past }),
      ])
      assert.deepEqual(ids(await claim(store, worker, 3)), ['higher', 'high', 'first'])
      assert.deepEqual(ids(await claim(store, worker)), ['second', 'third', 'low', 'lowest'])
      assert.deepEqual(await claim(store, worker), [])
    },
  },
  {
    name: 'a claim marks the row, counts the run and raises the epoch',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await store.insert(queue, [
        newRow('a', { timeoutMs: 5, metadata: { tenant: 't' }, uniqueKey: 'k', priority: 3 }),
      ])
      const claimed = await claimOne(store, worker)
      const row = await read(store, 'a')
      const { lockedBy, status, finishedAt, result, ...rest } = row
      assert.deepEqual(
        [lockedBy, status, finishedAt, result],
        ['w', 'running', undefined, undefined],
      )
      // What else of the row it tells is the store's own affair.
      const told = Object.entries(claimed).filter(([field]) => field in rest)
      assert.deepEqual({ ...rest }, Object.fromEntries(told))
      assert.deepEqual([claimed.attempt, claimed.epoch], [1, 1])
      await settle(store, worker, claimed, { type: 'failed', error: stored('e'), retryInMs: 0 })
      const again = await claimOne(store, worker)
      assert.deepEqual([again.attempt, again.epoch, again.errors.length], [2, 2, 1])
    },
  },
  {
    name: 'two claims at once share nothing',
    async run(world) {
      const store = await world.store()
      const other = await world.harness.open()
      const workers = await Promise.all([enlist(store, 'v'), enlist(other, 'w')])
      await insert(store, ...numbered(100))
      const claims = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          index % 2 === 0 ? claim(store, workers[0], 7) : claim(other, workers[1], 7),
        ),
      )
      const claimed = claims.flatMap(ids)
      assert.equal(claimed.length, new Set(claimed).size, 'a row was claimed twice')
      assert.equal(
        claimed.length + (await claim(store, workers[0], 100)).length,
        100,
        'a row was lost',
      )
    },
  },
  {
    name: 'what is not due is not claimed, and dueIn says when it will be',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      assert.equal((await store.claim(worker, 10, { suspects: 1 })).dueIn, undefined)
      await store.insert(queue, [
        newRow('minute', { delayMs: 60_000 }),
        newRow('hour', { delayMs: 3_600_000, priority: 9 }),
        newRow('day', { runAt: world.harness.clock.now() + 86_400_000 }),
      ])
      const early = await store.claim(worker, 10, { suspects: 1 })
      assert.deepEqual(early.rows, [])
      between(early.dueIn, 50_000, 60_000)
      await store.beat(worker)
      await world.advance(20_000, { step: 20_000 })
      await store.beat(worker)
      await world.advance(20_000, { step: 20_000 })
      await store.beat(worker)
      const nearly = await store.claim(worker, 10, { suspects: 1 })
      assert.deepEqual(nearly.rows, [])
      between(nearly.dueIn, 5_000, 20_000)
      await world.advance(20_000, { step: 20_000 })
      assert.deepEqual(ids(await claim(store, worker)), ['minute'])
    },
  },
  {
    name: 'what became due late is claimed by its priority, not behind what was due before',
    async run(world) {
      const store = await world.store()
      await store.insert(queue, [
        newRow('late', { delayMs: 10_000, priority: 5 }),
        newRow('early'),
        newRow('later', { delayMs: 12_000, priority: 5 }),
      ])
      await world.advance(15_000, { step: 15_000 })
      const worker = await enlist(store, 'w')
      assert.deepEqual(ids(await claim(store, worker)), ['late', 'later', 'early'])
    },
  },
  {
    name: 'a paused queue gives nothing, whoever asks; a resumed one gives all in order',
    async run(world) {
      const store = await world.store()
      const other = await world.harness.open()
      const worker = await enlist(other, 'w')
      await insert(store, 'a', 'b')
      await store.pause(queue, true)
      await store.pause(queue, true)
      assert.deepEqual(await claim(other, worker), [])
      const { paused, dueIn } = await other.beat(worker)
      assert.deepEqual([paused, dueIn], [true, undefined], 'nothing to wake up for')
      assert.deepEqual(
        (await other.queues()).find(({ name }) => name === queue),
        { name: queue, paused: true },
      )
      await insert(store, 'c')
      await store.pause(queue, false)
      assert.equal((await other.beat(worker)).paused, false)
      assert.deepEqual(ids(await claim(other, worker)), ['a', 'b', 'c'])
    },
  },
  {
    name: 'who is not registered, or whose lease has lapsed, claims nothing',
    async run(world) {
      const store = await world.store()
      await insert(store, 'a')
      const stranger = { id: 'stranger', queue }
      await assert.rejects(store.claim(stranger, 1, { suspects: 1 }), isLeaseLostError)
      const worker = await enlist(store, 'w')
      await world.advance(35_000, { step: 35_000 })
      await assert.rejects(store.claim(worker, 1, { suspects: 1 }), isLeaseLostError)
      assert.deepEqual((await read(store, 'a')).status, 'pending')
      await store.beat(worker)
      assert.deepEqual(ids(await claim(store, worker)), ['a'])
    },
  },
  {
    name: 'of the suspects a claim brings as many as it may, and others in their place',
    async run(world) {
      const store = await world.store()
      await insert(store, ...numbered(4, 'suspect'))
      for (const death of [1, 2]) {
        const dying = await enlist(store, `dying ${death}`)
        assert.equal((await claim(store, dying, 1_000)).length, 4)
        await world.advance(35_000, { step: 35_000 })
        assert.equal((await store.rescue(queue, 1_000, rescuing)).length, 4)
      }
      await insert(store, 'plain-0', 'plain-1')
      const worker = await enlist(store, 'w')
      assert.deepEqual(ids(await claim(store, worker, 10, 0)), ['plain-0', 'plain-1'])
      assert.deepEqual(ids(await claim(store, worker, 10, 1)), ['suspect-0'])
      await insert(store, 'plain-2')
      assert.deepEqual(ids(await claim(store, worker, 10, 1)), ['suspect-1', 'plain-2'])
    },
  },
  {
    number: 137,
    name: 'however many tasks are not due yet, at whatever priority: a claim and a beat find what is due, and when the next will be',
    async run(world) {
      const store = await world.store()
      const soonest = world.harness.clock.now() + 3_600_000
      for (let stored = 0; stored < world.many; stored += 1_000) {
        await store.insert(
          queue,
          numbered(1_000, `future-${stored}`).map((id, index) =>
            newRow(id, { priority: (index % 3) - 1, runAt: soonest + 999 - index }),
          ),
        )
      }
      const worker = await enlist(store, 'w')
      const none = await store.claim(worker, 10, { suspects: 1 })
      assert.deepEqual(none.rows, [])
      between(none.dueIn, 3_500_000, 3_600_000)
      between((await store.beat(worker)).dueIn, 3_500_000, 3_600_000)
      await store.insert(queue, [newRow('due', { priority: -2 })])
      assert.equal((await store.beat(worker)).dueIn, 0)
      assert.deepEqual(ids(await claim(store, worker, 10)), ['due'])
      const { pending, due } = await store.count(queue)
      assert.ok(pending >= world.many)
      assert.equal(due, 0)
    },
  },
  {
    name: 'exchange settles first and claims then, as settle and claim would',
    needs: ['exchange'],
    async run(world) {
      const store = await world.exchangingStore()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b', 'c')
      const [a, b] = await claim(store, worker, 2)
      assert.ok(a && b)
      const { settled, claimed } = await store.exchange(
        worker,
        [
          settlement(a, { type: 'released', dueInMs: 0 }),
          settlement({ id: 'b', epoch: 7 }),
          settlement(b, { type: 'done', result: '1' }),
        ],
        10,
        { suspects: 1 },
      )
      assert.deepEqual(settled, ['applied', 'stale', 'applied'])
      assert.deepEqual(ids(claimed.rows), ['a', 'c'])
      assert.deepEqual(
        claimed.rows.map(({ epoch, attempt }) => [epoch, attempt]),
        [
          [2, 1],
          [1, 1],
        ],
      )
      const done = await read(store, 'b')
      assert.deepEqual([done.status, done.result], ['done', '1'])
    },
  },
  {
    name: 'exchange on a paused queue settles, and claims nothing',
    needs: ['exchange'],
    async run(world) {
      const store = await world.exchangingStore()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b')
      const row = await claimOne(store, worker)
      await store.pause(queue, true)
      const { settled, claimed } = await store.exchange(worker, [settlement(row)], 10, {
        suspects: 1,
      })
      assert.deepEqual([settled, claimed.rows], [['applied'], []])
      assert.equal((await read(store, 'b')).status, 'pending')
    },
  },
  {
    name: 'exchange without a live lease throws and claims nothing, and its settlements can be made again',
    needs: ['exchange'],
    async run(world) {
      const store = await world.exchangingStore()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b')
      const row = await claimOne(store, worker)
      await world.advance(35_000, { step: 35_000 })
      await assert.rejects(
        store.exchange(worker, [settlement(row)], 10, { suspects: 1 }),
        isLeaseLostError,
      )
      assert.equal((await read(store, 'b')).status, 'pending')
      const [settled] = await store.settle(worker, [settlement(row)])
      assert.notEqual(settled, 'stale')
      assert.equal((await read(store, 'a')).status, 'done')
    },
  },
]
