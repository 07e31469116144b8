import assert from 'node:assert/strict'
import { isDuplicateTaskError } from '../../errors/backend-errors.ts'
import type { CaseDefinition } from './definition.ts'
import { Notes } from './kit.ts'
import { ids, queue } from './store-kit.ts'

/** Pushing inside the caller's transaction: 8, 9, 133. */
export const transactionCases: readonly CaseDefinition[] = [
  {
    number: 8,
    name: "a push inside the caller's transaction is never seen when that is rolled back, once when it commits",
    needs: ['transactions'],
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const tasks = one.storage.queue<string>(queue)
      const notes = new Notes<string>()
      other.work(other.storage.queue<string>(queue), notes.handler)
      await world.quiet()
      const undone = await world.begin()
      await tasks.within(undone.tx).push('undone')
      await tasks.within(undone.tx).pushBulk(['undone too'])
      await undone.rollback()
      await world.advance(20_000)
      assert.deepEqual(notes.args, [])
      assert.deepEqual(await world.rows(queue), [])
      const done = await world.begin()
      const id = await tasks.within(done.tx).push('kept')
      await done.commit()
      await world.within(10_000, 'the committed task ran', () => notes.args.length > 0)
      await world.advance(20_000)
      assert.deepEqual(notes.args, ['kept'])
      assert.deepEqual(ids(await world.rows(queue)), [id])
    },
  },
  {
    number: 8,
    name: "a taken key or id inside the caller's transaction gives the holder and spoils nothing",
    needs: ['transactions'],
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      const holder = await tasks.push('holder', { unique: 'k' })
      const { tx, commit } = await world.begin()
      assert.equal(await tasks.within(tx).push('second', { unique: 'k' }), holder)
      assert.equal(await tasks.within(tx).push('third', { id: holder }), holder)
      const id = await tasks.within(tx).push('fourth')
      await commit()
      assert.deepEqual(ids(await world.rows(queue)), [holder, id])
    },
  },
  {
    number: 9,
    name: 'what a transaction pushed nobody sees before it commits, whichever way they look',
    needs: ['transactions'],
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const { tx, commit } = await world.begin()
      const id = await one.storage.queue<string>(queue).within(tx).push('inside')
      for (const { storage } of [one, other]) {
        const tasks = storage.queue<string>(queue)
        assert.equal(await tasks.fetchById(id), undefined)
        assert.deepEqual(await tasks.listTasks(), [])
        const { pending, due } = await tasks.metrics()
        assert.deepEqual([pending, due], [0, 0])
      }
      await commit()
      assert.deepEqual(ids(await world.rows(queue)), [id])
    },
  },
  {
    number: 9,
    name: 'what a transaction pushed is not claimed before it commits, whatever wakes the worker',
    needs: ['transactions', 'concurrent-transactions'],
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const tasks = one.storage.queue<string>(queue)
      const notes = new Notes<string>()
      other.work(other.storage.queue<string>(queue), notes.handler)
      await world.quiet()
      const { tx, commit } = await world.begin()
      await tasks.within(tx).push('inside')
      await tasks.push('outside')
      await world.within(10_000, 'what was pushed outside ran', () => notes.args.length > 0)
      await world.advance(20_000)
      assert.deepEqual(notes.args, ['outside'])
      await commit()
      await world.within(10_000, 'what was committed ran', () => notes.args.length > 1)
      assert.deepEqual(notes.args, ['outside', 'inside'])
    },
  },
  {
    number: 133,
    name: "pushes with a key that a stranger's open transaction holds do not delay pushes without one",
    needs: ['transactions', 'concurrent-transactions'],
    async run(world) {
      const stranger = await world.process()
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      const { tx, commit } = await world.begin()
      const holder = await stranger.storage
        .queue<string>(queue)
        .within(tx)
        .push('holder', { unique: 'k' })
      const blocked = tasks.push('blocked', { unique: 'k' })
      const free = await Promise.all(['a', 'b', 'c'].map((args) => tasks.push(args)))
      assert.equal(new Set(free).size, 3)
      await commit()
      assert.equal(await blocked, holder)
      assert.equal((await world.rows(queue)).length, 4)
    },
  },
  {
    number: 8,
    name: "onDuplicate 'throw' inside the caller's transaction: refused with the holder's id, and the transaction goes on",
    needs: ['transactions'],
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      const holder = await tasks.push('holder', { unique: 'k' })
      const { tx, commit } = await world.begin()
      await assert.rejects(
        tasks.within(tx).push('second', { unique: 'k', onDuplicate: 'throw' }),
        (error) => isDuplicateTaskError(error) && error.existing === holder,
      )
      const id = await tasks.within(tx).push('third', { onDuplicate: 'throw' })
      await commit()
      assert.deepEqual(ids(await world.rows(queue)), [holder, id])
    },
  },
]
