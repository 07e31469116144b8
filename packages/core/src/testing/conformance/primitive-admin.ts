import assert from 'node:assert/strict'
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

/** Reading and administration of the store itself. */
export const adminPrimitives: readonly CaseDefinition[] = [
  {
    name: 'update changes what is pending or failed, and says what stood in the way otherwise',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b')
      const runAt = world.harness.clock.now() + 3_600_000
      const changes = { args: '"new"', priority: 4, runAt, metadata: { tenant: 't' } }
      assert.deepEqual(await store.update(queue, 'b', changes), { changed: true })
      const changed = await read(store, 'b')
      assert.deepEqual(
        [changed.args, changed.priority, changed.runAt, changed.metadata],
        ['"new"', 4, runAt, { tenant: 't' }],
      )
      assert.deepEqual(await store.update(queue, 'b', { priority: 5 }), { changed: true })
      assert.deepEqual(await read(store, 'b'), { ...changed, priority: 5 }, 'the rest stays')
      const row = await claimOne(store, worker)
      const running = await read(store, 'a')
      assert.deepEqual(await store.update(queue, 'a', { priority: 9 }), {
        changed: false,
        status: 'running',
      })
      assert.deepEqual(await read(store, 'a'), running)
      await settle(store, worker, row, {
        type: 'failed',
        error: stored('e'),
        retryInMs: 3_600_000,
      })
      assert.deepEqual(await store.update(queue, 'a', { delayMs: 0 }), { changed: true })
      assert.deepEqual((await read(store, 'a')).errors.length, 1)
      const again = await claimOne(store, worker)
      assert.deepEqual([again.id, again.attempt], ['a', 2])
      await settle(store, worker, again)
      assert.deepEqual(await store.update(queue, 'a', { args: '1' }), {
        changed: false,
        status: 'done',
      })
      assert.deepEqual(await store.update(queue, 'missing', { args: '1' }), { changed: false })
    },
  },
  {
    name: 'an update moves a row in the order of claims, and a delay counts from the update',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b', 'c', 'd')
      await store.update(queue, 'c', { priority: 1 })
      await store.update(queue, 'a', { delayMs: 60_000 })
      await store.update(queue, 'd', { runAt: (await read(store, 'b')).runAt - 1_000 })
      assert.deepEqual(ids(await claim(store, worker)), ['c', 'd', 'b'])
      between((await store.beat(worker)).dueIn, 50_000, 60_000)
      await store.update(queue, 'a', { delayMs: 0 })
      assert.deepEqual(ids(await claim(store, worker)), ['a'])
    },
  },
  {
    name: 'kill ends what is pending, running or failed, at once, and nothing else',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'failed', 'running', 'done', 'pending')
      const [failed, running, done] = await claim(store, worker, 3)
      assert.ok(failed && running && done)
      await settle(store, worker, failed, { type: 'failed', error: stored('e'), retryInMs: 0 })
      await settle(store, worker, done)
      for (const id of ['failed', 'running', 'pending']) {
        assert.equal(await store.kill(queue, id, { ...stored('why'), code: 'E_WHY' }), true)
        assert.equal(await store.kill(queue, id, stored('again')), false)
        const row = await read(store, id)
        assert.deepEqual([row.status, row.lockedBy], ['killed', undefined])
        assert.deepEqual([row.errors.at(-1)?.message, row.errors.at(-1)?.code], ['why', 'E_WHY'])
        assert.ok(row.finishedAt !== undefined)
      }
      assert.equal((await read(store, 'running')).attempt, 1, 'a cancelled run counts')
      assert.equal(await store.kill(queue, 'done', stored('late')), false)
      assert.equal(await store.kill(queue, 'missing', stored('late')), false)
      assert.equal((await read(store, 'done')).status, 'done')
      const before = await read(store, 'running')
      assert.deepEqual(await store.settle(worker, [settlement(running)]), ['stale'])
      assert.deepEqual(await read(store, 'running'), before)
      assert.deepEqual(await claim(store, worker), [])
    },
  },
  {
    name: 'take gives a running row back from whoever holds it, and only a running one',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b')
      const row = await claimOne(store, worker)
      assert.equal(await store.take(queue, 'a'), true)
      const taken = await read(store, 'a')
      assert.deepEqual(
        [taken.status, taken.attempt, taken.epoch, taken.rescues, taken.runAt, taken.lockedBy],
        ['pending', 0, 1, 0, row.runAt, undefined],
      )
      assert.equal(await store.take(queue, 'a'), false)
      assert.equal(await store.take(queue, 'missing'), false)
      assert.deepEqual(await store.settle(worker, [settlement(row)]), ['stale'])
      const again = await claimOne(store, worker)
      assert.deepEqual([again.id, again.epoch, again.attempt], ['a', 2, 1])
    },
  },
  {
    name: 'retry makes a killed row pending and due now, attempts reset or not, and nothing else',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      assert.deepEqual(await store.retry(queue, 'a', { resetAttempts: true }), {
        changed: false,
        status: 'pending',
      })
      assert.deepEqual(await store.retry(queue, 'missing', { resetAttempts: true }), {
        changed: false,
      })
      for (const [resetAttempts, attempt] of [
        [false, 1],
        [true, 0],
      ] as const) {
        const row = await claimOne(store, worker)
        assert.deepEqual(await store.retry(queue, 'a', { resetAttempts }), {
          changed: false,
          status: 'running',
        })
        await settle(store, worker, row, { type: 'killed', error: stored('e') })
        await world.advance(10_000, { step: 10_000 })
        await store.beat(worker)
        assert.deepEqual(await store.retry(queue, 'a', { resetAttempts }), { changed: true })
        const again = await read(store, 'a')
        assert.deepEqual(
          [again.status, again.attempt, again.rescues, again.releases, again.finishedAt],
          ['pending', attempt, 0, 0, undefined],
        )
        assert.ok(again.runAt > row.runAt, 'due anew, not in its old place')
        assert.equal((await store.beat(worker)).dueIn, 0)
      }
      const last = await claimOne(store, worker)
      assert.deepEqual([last.epoch, last.attempt], [3, 1], 'the epoch never goes back')
      await settle(store, worker, last)
      assert.deepEqual(await store.retry(queue, 'a', { resetAttempts: true }), {
        changed: false,
        status: 'done',
      })
    },
  },
  {
    name: 'retry forgets deaths and releases, and keeps the errors',
    async run(world) {
      const store = await world.store()
      await insert(store, 'a')
      await claimOne(store, await enlist(store, 'dying'))
      await world.advance(35_000, { step: 35_000 })
      await store.rescue(queue, 10, rescuing)
      const worker = await enlist(store, 'w')
      await settle(store, worker, await claimOne(store, worker), {
        type: 'released',
        dueInMs: 60_000,
        error: stored('snoozed'),
      })
      await store.kill(queue, 'a', stored('e'))
      const { rescues, releases } = await read(store, 'a')
      assert.deepEqual([rescues, releases], [1, 1])
      await store.retry(queue, 'a', { resetAttempts: true })
      const row = await read(store, 'a')
      assert.deepEqual([row.rescues, row.releases, row.errors.length], [0, 0, 2])
      assert.equal((await claimOne(store, worker)).id, 'a')
    },
  },
  {
    name: 'retry takes the unique key again, unless another holds it by now',
    async run(world) {
      const store = await world.store()
      await store.insert(queue, [newRow('a', { uniqueKey: 'k' })])
      await store.kill(queue, 'a', stored('e'))
      await store.insert(queue, [newRow('b', { uniqueKey: 'k' })])
      assert.deepEqual(await store.retry(queue, 'a', { resetAttempts: true }), {
        changed: false,
        holder: 'b',
      })
      assert.equal((await read(store, 'a')).status, 'killed')
      await store.kill(queue, 'b', stored('e'))
      assert.deepEqual(await store.retry(queue, 'a', { resetAttempts: true }), { changed: true })
      assert.deepEqual(await store.insert(queue, [newRow('c', { uniqueKey: 'k' })]), [
        { id: 'a', existing: true },
      ])
    },
  },
  {
    name: 'a key whose time has passed is neither taken again by a retry nor in its way',
    async run(world) {
      const store = await world.store()
      await store.insert(queue, [newRow('a', { uniqueKey: 'k', uniqueForMs: 60_000 })])
      await store.kill(queue, 'a', stored('e'))
      await world.advance(61_000, { step: 61_000 })
      await store.insert(queue, [newRow('b', { uniqueKey: 'k' })])
      assert.deepEqual(await store.retry(queue, 'a', { resetAttempts: true }), { changed: true })
      assert.deepEqual(await store.insert(queue, [newRow('c', { uniqueKey: 'k' })]), [
        { id: 'b', existing: true },
      ])
    },
  },
  {
    name: 'what a settle wrote is not repeated once the row was killed and made pending again',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      const row = await claimOne(store, worker)
      const released = settlement(row, { type: 'released', dueInMs: 0 })
      assert.deepEqual(await store.settle(worker, [released]), ['applied'])
      await store.kill(queue, 'a', stored('e'))
      await store.retry(queue, 'a', { resetAttempts: true })
      assert.deepEqual(await store.settle(worker, [released]), ['stale'])
    },
  },
  {
    name: 'remove forgets a row that is not running, and with it only the key that it holds',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await store.insert(queue, [newRow('a', { uniqueKey: 'k' })])
      const row = await claimOne(store, worker)
      assert.deepEqual(await store.remove(queue, 'a'), { changed: false, status: 'running' })
      await settle(store, worker, row)
      await store.insert(queue, [newRow('b', { uniqueKey: 'k' })])
      assert.deepEqual(await store.remove(queue, 'a'), { changed: true })
      assert.deepEqual(await store.remove(queue, 'a'), { changed: false })
      assert.deepEqual(await store.get(queue, ['a']), [undefined])
      assert.deepEqual(await store.insert(queue, [newRow('c', { uniqueKey: 'k' })]), [
        { id: 'b', existing: true },
      ])
      assert.deepEqual(await store.remove(queue, 'b'), { changed: true })
      assert.deepEqual(await claim(store, worker), [])
    },
  },
  {
    name: 'purge forgets the oldest finished rows of one status past an age, at most `limit`',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await store.insert(queue, [
        newRow('held', { uniqueKey: 'k', uniqueForMs: 3_600_000 }),
        ...numbered(4).map((id) => newRow(id)),
      ])
      for (let count = 0; count < 5; count += 1) {
        await settle(store, worker, await claimOne(store, worker))
        await world.advance(1_000)
      }
      await insert(store, 'killed', 'pending')
      await store.kill(queue, 'killed', stored('e'))
      await world.advance(120_000, { step: 60_000 })
      await store.register(worker)
      await store.insert(queue, [newRow('young', { priority: 1 })])
      await settle(store, worker, await claimOne(store, worker))
      const running = await claimOne(store, worker)
      assert.equal(running.id, 'pending')
      const options = { status: 'done', olderThanMs: 60_000, limit: 3 } as const
      assert.equal(await store.purge(queue, options), 3)
      assert.deepEqual(ids(await store.list(queue, { offset: 0, limit: 100 })), [
        'held',
        'task-3',
        'killed',
        'pending',
        'young',
      ])
      assert.equal(await store.purge(queue, { ...options, limit: 100 }), 1)
      assert.equal(await store.purge(queue, { ...options, limit: 100 }), 0)
      assert.deepEqual(ids(await store.list(queue, { offset: 0, limit: 100 })), [
        'held',
        'killed',
        'pending',
        'young',
      ])
      assert.equal(await store.purge(queue, { ...options, status: 'killed' }), 1)
      await settle(store, worker, running)
    },
  },
  {
    name: 'count adds up by status, and tells what is due and since when',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const empty = await store.count(queue)
      assert.deepEqual(
        [empty.pending, empty.running, empty.done, empty.failed, empty.killed, empty.due],
        [0, 0, 0, 0, 0, 0],
      )
      assert.equal(empty.oldestDueMs, undefined)
      await insert(store, ...numbered(6))
      const [done, killed, failed, again] = await claim(store, worker, 5)
      assert.ok(done && killed && failed && again)
      await store.settle(worker, [
        settlement(done),
        settlement(killed, { type: 'killed', error: stored('e') }),
        settlement(failed, { type: 'failed', error: stored('e'), retryInMs: 3_600_000 }),
        settlement(again, { type: 'failed', error: stored('e'), retryInMs: 0 }),
      ])
      await store.insert(queue, [newRow('later', { delayMs: 3_600_000 })])
      await world.advance(20_000, { step: 20_000 })
      const { oldestDueMs, ...counts } = await store.count(queue)
      assert.deepEqual(counts, { pending: 2, running: 1, done: 1, failed: 2, killed: 1, due: 2 })
      between(oldestDueMs, 15_000, 35_000)
      const elsewhere = await store.count('elsewhere')
      assert.equal(elsewhere.pending, 0)
    },
  },
  {
    name: 'list pages in order of insertion, by status when asked',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await store.insert(
        queue,
        numbered(10).map((id, index) => newRow(id, { priority: index % 3 })),
      )
      await claim(store, worker, 3)
      const all = numbered(10)
      const page = async (offset: number, limit: number): Promise<readonly string[]> =>
        ids(await store.list(queue, { offset, limit }))
      assert.deepEqual(await page(0, 100), all)
      assert.deepEqual(await page(3, 4), all.slice(3, 7))
      assert.deepEqual(await page(8, 4), all.slice(8))
      assert.deepEqual(await page(10, 4), [])
      const running = ['task-2', 'task-5', 'task-8']
      assert.deepEqual(
        ids(await store.list(queue, { status: 'running', offset: 0, limit: 100 })),
        running,
      )
      assert.deepEqual(
        ids(await store.list(queue, { status: 'pending', offset: 2, limit: 2 })),
        all.filter((id) => !running.includes(id)).slice(2, 4),
      )
      assert.deepEqual(await store.list(queue, { status: 'done', offset: 0, limit: 100 }), [])
    },
  },
  {
    name: 'queues lists every queue that has rows or is paused, and no other',
    async run(world) {
      const store = await world.store()
      assert.deepEqual(await store.queues(), [])
      await store.insert('rows', [newRow('a')])
      await store.pause('paused', true)
      await store.pause('resumed', true)
      await store.pause('resumed', false)
      await enlist(store, 'w', 'workers only')
      await store.insert('emptied', [newRow('a')])
      await store.remove('emptied', 'a')
      assert.deepEqual(
        (await store.queues()).toSorted((one, other) => one.name.localeCompare(other.name)),
        [
          { name: 'paused', paused: true },
          { name: 'rows', paused: false },
        ],
      )
    },
  },
]
