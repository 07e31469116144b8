import assert from 'node:assert/strict'
import { isDuplicateTaskError } from '../../errors/backend-errors.ts'
import { AbortError } from '../../errors/task-errors.ts'
import type { Task } from '../../task/task.ts'
import { type PushOptions, TaskBuilder } from '../../task/task-builder.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk } from './kit.ts'
import { ids, queue } from './store-kit.ts'

/** Unique keys: 61 to 68, 130. */
export const uniqueCases: readonly CaseDefinition[] = [
  {
    number: 61,
    name: 'a second push with a key gives the first id while that waits, runs or retries; or throws when asked to',
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const tasks = one.storage.queue<string>(queue, { backoff: () => '1m' })
      const others = other.storage.queue<string>(queue)
      const desk = new Desk<string>()
      const id = await tasks.push('first', { unique: 'welcome:42' })
      const held = async (): Promise<void> => {
        assert.equal(await others.push('second', { unique: 'welcome:42' }), id)
        assert.deepEqual(
          await others.pushAll(['second', 'third'].map((args) => keyed(args, 'welcome:42'))),
          [id, id],
        )
        await assert.rejects(
          others.push('second', { unique: 'welcome:42', onDuplicate: 'throw' }),
          (error) => isDuplicateTaskError(error) && error.existing === id,
        )
        assert.deepEqual(ids(await world.rows(queue)), [id])
      }
      await held()
      one.work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      await held()
      desk.at(0).fail(new Error('again'))
      await world.until('it failed', async () => (await world.counts(queue)).failed === 1)
      await held()
      assert.equal((await world.row(queue, id)).args, '"first"')
      assert.notEqual(await others.push('other', { unique: 'welcome:43' }), id)
      assert.notEqual(
        await other.storage.queue<string>('elsewhere').push('x', { unique: 'welcome:42' }),
        id,
      )
    },
  },
  {
    number: 62,
    name: 'a key with a time: held that long from the push, though the task is done; free after it, though the task runs',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      work(tasks, desk.handler)
      const unique = { key: 'k', for: '1m' } as const
      const first = await tasks.push('first', { unique })
      await world.until('it runs', () => desk.open === 1)
      desk.at(0).finish(undefined)
      await world.until('it is done', async () => (await world.counts(queue)).done === 1)
      await world.advance(45_000)
      assert.equal(await tasks.push('second', { unique }), first, 'the push did not renew it')
      await world.advance(20_000)
      const second = await tasks.push('second', { unique })
      assert.notEqual(second, first)
      await world.until('the second runs', () => desk.runs.length === 2)
      assert.equal(await tasks.push('third', { unique }), second)
      await world.advance(65_000)
      const third = await tasks.push('third', { unique })
      assert.notEqual(third, second)
      await world.until('the third runs beside it', () => desk.open === 2)
      assert.equal((await world.row(queue, second)).status, 'running')
    },
  },
  {
    number: 65,
    name: 'a key is free after done, the last failure, an abort, a kill and a removal',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 1 })
      const desk = new Desk<string>()
      work(tasks, desk.handler)
      const ends: readonly (readonly [string, (id: string) => unknown])[] = [
        ['done', () => desk.at(-1).finish(undefined)],
        ['failed for good', () => desk.at(-1).fail(new Error('e'))],
        ['aborted', () => desk.at(-1).fail(new AbortError('e'))],
        ['killed', (id) => tasks.kill(id)],
      ]
      let last = ''
      for (const [index, [how, end]] of ends.entries()) {
        const id = await tasks.push(how, { unique: 'k' })
        assert.notEqual(id, last, `free again before ${how}`)
        last = id
        await world.until(`${how} runs`, () => desk.runs.length === index + 1)
        await end(id)
        await world.until(`${how} has ended`, async () => {
          const { status } = await world.row(queue, id)
          return status === 'done' || status === 'killed'
        })
      }
      const removed = await tasks.push('removed', { unique: 'k', delay: '1h' })
      assert.notEqual(removed, last)
      assert.equal(await tasks.remove(removed), true)
      assert.notEqual(await tasks.push('after', { unique: 'k' }), removed)
    },
  },
  {
    number: 66,
    name: 'removing or retrying a task that no longer holds the key leaves the key to its holder',
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      const first = await tasks.push('first', { unique: 'k' })
      await tasks.kill(first)
      const second = await tasks.push('second', { unique: 'k' })
      assert.notEqual(second, first)
      await assert.rejects(
        tasks.retry(first),
        (error) => isDuplicateTaskError(error) && error.existing === second,
      )
      assert.equal((await world.row(queue, first)).status, 'killed')
      assert.equal(await tasks.remove(first), true)
      assert.equal(await tasks.push('third', { unique: 'k' }), second)
      const timed = { key: 'timed', for: '1m' } as const
      const old = await tasks.push('old', { unique: timed })
      await world.advance(65_000, { step: 5_000 })
      const young = await tasks.push('young', { unique: timed })
      assert.notEqual(young, old)
      assert.equal(await tasks.remove(old), true)
      assert.equal(await tasks.push('late', { unique: timed }), young)
    },
  },
  {
    number: 68,
    name: 'a hundred pushes at once with one key, from several processes: one task',
    async run(world) {
      const processes = await Promise.all(Array.from({ length: 5 }, () => world.process()))
      const pushed = await Promise.all(
        processes.flatMap(({ storage }, index) => {
          const tasks = storage.queue<number>(queue)
          return Array.from({ length: 20 }, (_, n) => tasks.push(index * 20 + n, { unique: 'k' }))
        }),
      )
      assert.equal(new Set(pushed).size, 1)
      assert.deepEqual(ids(await world.rows(queue)), [...new Set(pushed)])
    },
  },
  {
    number: 130,
    name: 'one key twice in a bulk push: one task, and both get its id',
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      const pushed = await tasks.pushAll(['a', 'b', 'c'].map((args) => keyed(args, 'k')))
      assert.equal(new Set(pushed).size, 1)
      assert.deepEqual(ids(await world.rows(queue)), [pushed[0]])
      assert.equal((await world.rows(queue))[0]?.args, '"a"', 'the first stands')
    },
  },
]

function keyed(args: string, key: string): Task<string, PushOptions> {
  return new TaskBuilder(args).unique(key).build()
}
