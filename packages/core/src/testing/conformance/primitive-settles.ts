import assert from 'node:assert/strict'
import type { StoreOutcome } from '../../storage/task-store.ts'
import type { CaseDefinition } from './definition.ts'
import {
  claim,
  claimOne,
  enlist,
  insert,
  newRow,
  queue,
  read,
  rescuing,
  settle,
  settlement,
  stored,
} from './store-kit.ts'

const outcomes: readonly StoreOutcome[] = [
  { type: 'done', result: '{"n":1}' },
  { type: 'failed', error: stored('failed'), retryInMs: 60_000 },
  { type: 'killed', error: stored('killed') },
  { type: 'released', dueInMs: 0 },
  { type: 'released', dueInMs: 60_000, error: stored('snoozed') },
]

/** `settle` of the store itself: the fence. */
export const settlePrimitives: readonly CaseDefinition[] = [
  {
    name: 'done keeps the result, failed the error and when it runs again, killed the error',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'done', 'silent', 'failed', 'killed')
      const [done, silent, failed, killed] = await claim(store, worker)
      assert.ok(done && silent && failed && killed)
      const error = {
        name: 'Oops',
        message: 'ž "\\ 🐎',
        stack: 'at x',
        code: 'E_OOPS',
        cause: { name: 'Inner', message: 'i' },
      }
      assert.deepEqual(
        await store.settle(worker, [
          settlement(killed, { type: 'killed', error }),
          settlement(done, { type: 'done', result: '"r"' }),
          settlement(failed, { type: 'failed', error, retryInMs: 60_000 }),
          settlement(silent),
        ]),
        ['applied', 'applied', 'applied', 'applied'],
      )
      const rows = await store.get(queue, ['done', 'silent', 'failed', 'killed'])
      assert.deepEqual(
        rows.map((row) => [row?.status, row?.attempt, row?.result, row?.lockedBy, row?.lockedAt]),
        [
          ['done', 1, '"r"', undefined, undefined],
          ['done', 1, undefined, undefined, undefined],
          ['failed', 1, undefined, undefined, undefined],
          ['killed', 1, undefined, undefined, undefined],
        ],
      )
      const [doneRow, , failedRow, killedRow] = rows
      assert.ok(doneRow?.finishedAt !== undefined && killedRow?.finishedAt !== undefined)
      assert.equal(failedRow?.finishedAt, undefined)
      for (const row of [failedRow, killedRow]) {
        const [failure] = row?.errors ?? []
        assert.ok(failure)
        const { at, attempt, ...kept } = failure
        assert.deepEqual(kept, error)
        assert.equal(attempt, 1)
        assert.ok(Math.abs(at - (row?.lockedAt ?? at)) < 60_000)
      }
      const failure = failedRow?.errors[0]
      assert.ok(failedRow && failure)
      assert.ok(Math.abs(failedRow.runAt - failure.at - 60_000) <= 1_000)
    },
  },
  {
    name: 'released at once gives the attempt back and keeps runAt, place and releases',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b')
      const before = await read(store, 'a')
      await world.advance(5_000)
      await settle(store, worker, await claimOne(store, worker), { type: 'released', dueInMs: 0 })
      const after = await read(store, 'a')
      assert.deepEqual(after, { ...before, epoch: 1 })
      assert.equal((await claimOne(store, worker)).id, 'a')
    },
  },
  {
    name: 'released for later gives the attempt back, waits, counts, and keeps its error',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      for (const releases of [1, 2]) {
        await settle(store, worker, await claimOne(store, worker), {
          type: 'released',
          dueInMs: 10_000,
          error: stored(`snooze ${releases}`),
        })
        const row = await read(store, 'a')
        assert.deepEqual(
          [row.status, row.attempt, row.releases, row.errors.length],
          ['pending', 0, releases, releases],
        )
        assert.deepEqual(await claim(store, worker), [])
        await world.advance(11_000, { step: 11_000 })
        await store.beat(worker)
      }
      await settle(store, worker, await claimOne(store, worker), {
        type: 'failed',
        error: stored('e'),
        retryInMs: 0,
      })
      const row = await read(store, 'a')
      assert.deepEqual([row.attempt, row.releases], [1, 0])
    },
  },
  {
    name: 'a settle under another epoch, by another worker or for another task is stale and writes nothing',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const other = await enlist(store, 'other')
      await insert(store, 'a', 'pending')
      const row = await claimOne(store, worker)
      const before = await read(store, 'a')
      for (const outcome of outcomes) {
        assert.deepEqual(
          await store.settle(worker, [
            settlement({ id: 'a', epoch: row.epoch + 1 }, outcome),
            settlement({ id: 'a', epoch: row.epoch - 1 }, outcome),
            settlement({ id: 'pending', epoch: 0 }, outcome),
            settlement({ id: 'pending', epoch: 1 }, outcome),
            settlement({ id: 'missing', epoch: 1 }, outcome),
          ]),
          ['stale', 'stale', 'stale', 'stale', 'stale'],
          outcome.type,
        )
        assert.deepEqual(await store.settle(other, [settlement(row, outcome)]), ['stale'])
        assert.deepEqual(await store.settle({ id: 'unknown', queue }, [settlement(row, outcome)]), [
          'stale',
        ])
      }
      assert.deepEqual(await read(store, 'a'), before)
      assert.equal((await read(store, 'pending')).status, 'pending')
      await settle(store, worker, row)
    },
  },
  {
    name: 'a repeated settle of the same outcome is `repeated`; of another outcome, or by another worker, it is stale',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const other = await enlist(store, 'other')
      for (const [index, outcome] of outcomes.entries()) {
        const id = `task-${index}`
        await store.insert(queue, [newRow(id, { priority: 9 })])
        const row = await claimOne(store, worker)
        assert.equal(row.id, id)
        await settle(store, worker, row, outcome)
        const before = await read(store, id)
        assert.deepEqual(
          await store.settle(worker, [settlement(row, outcome)]),
          ['repeated'],
          outcome.type,
        )
        for (const another of outcomes.filter(({ type }) => type !== outcome.type)) {
          assert.deepEqual(
            await store.settle(worker, [settlement(row, another)]),
            ['stale'],
            `${another.type} after ${outcome.type}`,
          )
        }
        assert.deepEqual(await store.settle(other, [settlement(row, outcome)]), ['stale'])
        assert.deepEqual(await read(store, id), before)
        // Out of the way of the next one.
        await store.kill(queue, id, stored('over'))
      }
    },
  },
  {
    name: 'a repeated settle is stale once the row shows something else: it was killed, or tried again',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'killed', 'retried')
      const [killed, retried] = await claim(store, worker)
      assert.ok(killed && retried)
      const settlements = [
        settlement(killed, { type: 'failed', error: stored('e'), retryInMs: 60_000 }),
        settlement(retried, { type: 'killed', error: stored('e') }),
      ]
      assert.deepEqual(await store.settle(worker, settlements), ['applied', 'applied'])
      assert.deepEqual(await store.settle(worker, settlements), ['repeated', 'repeated'])
      await store.kill(queue, 'killed', stored('no longer wanted'))
      await store.retry(queue, 'retried', { resetAttempts: true })
      const before = await store.get(queue, ['killed', 'retried'])
      assert.deepEqual(await store.settle(worker, settlements), ['stale', 'stale'])
      assert.deepEqual(await store.get(queue, ['killed', 'retried']), before)
      await store.kill(queue, 'retried', stored('by somebody else'))
      assert.deepEqual(await store.settle(worker, settlements), ['stale', 'stale'])
    },
  },
  {
    name: 'once the row was claimed again, the settle of the earlier claim is stale, by whomever',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      const first = await claimOne(store, worker)
      await settle(store, worker, first, { type: 'released', dueInMs: 0 })
      const second = await claimOne(store, worker)
      assert.equal(second.epoch, first.epoch + 1)
      for (const outcome of outcomes) {
        assert.deepEqual(await store.settle(worker, [settlement(first, outcome)]), ['stale'])
      }
      await settle(store, worker, second, { type: 'done', result: '2' })
      assert.deepEqual(await store.settle(worker, [settlement(first, outcomes[0])]), ['stale'])
      assert.equal((await read(store, 'a')).result, '2')
    },
  },
  {
    name: 'the outcome of a claim is not taken for that of the next one, which was taken away',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const failure: StoreOutcome = { type: 'failed', error: stored('e'), retryInMs: 0 }
      await insert(store, 'a')
      await settle(store, worker, await claimOne(store, worker), failure)
      const again = await claimOne(store, worker)
      assert.equal(await store.take(queue, again.id), true)
      assert.deepEqual(await store.settle(worker, [settlement(again, failure)]), ['stale'])
      assert.equal((await read(store, again.id)).status, 'pending')
    },
  },
  {
    name: 'one claim settled twice in a call is written once',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      const row = await claimOne(store, worker)
      const [first, second] = await store.settle(worker, [
        settlement(row, { type: 'failed', error: stored('e'), retryInMs: 0 }),
        settlement(row, { type: 'failed', error: stored('e'), retryInMs: 0 }),
      ])
      assert.equal(first, 'applied')
      assert.notEqual(second, 'stale')
      assert.equal((await read(store, 'a')).errors.length, 1)
    },
  },
  {
    name: "a settle inside the caller's transaction is undone with it, and stands when that commits",
    needs: ['transactions'],
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      const row = await claimOne(store, worker)
      const before = await read(store, 'a')
      const undone = await world.begin()
      assert.deepEqual(await store.settle(worker, [settlement(row)], { within: undone.tx }), [
        'applied',
      ])
      await undone.rollback()
      assert.deepEqual(await read(store, 'a'), before)
      const kept = await world.begin()
      assert.deepEqual(await store.settle(worker, [settlement(row)], { within: kept.tx }), [
        'applied',
      ])
      await kept.commit()
      assert.equal((await read(store, 'a')).status, 'done')
      assert.deepEqual(await store.settle(worker, [settlement(row)]), ['repeated'])
    },
  },
  {
    name: 'the last ten errors are kept, oldest first',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await store.insert(queue, [newRow('a', { attempts: 20 })])
      for (let run = 1; run <= 12; run += 1) {
        const row = await claimOne(store, worker)
        assert.equal(row.errors.length, Math.min(run - 1, 10))
        await settle(store, worker, row, {
          type: 'failed',
          error: stored(`error ${run}`),
          retryInMs: 0,
        })
      }
      const { errors } = await read(store, 'a')
      assert.deepEqual(
        errors.map(({ message, attempt }) => [message, attempt]),
        Array.from({ length: 10 }, (_, index) => [`error ${index + 3}`, index + 3]),
      )
    },
  },
  {
    name: 'a settle after the lease lapsed counts while nobody has swept it, and not after that',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b')
      const [a, b] = await claim(store, worker)
      assert.ok(a && b)
      await world.advance(35_000, { step: 35_000 })
      await settle(store, worker, a)
      await store.rescue(queue, 10, rescuing)
      assert.deepEqual(await store.settle(worker, [settlement(b)]), ['stale'])
      assert.equal((await read(store, 'b')).status, 'pending')
    },
  },
]
