import assert from 'node:assert/strict'
import { isBackendError, isEncodeError } from '../../errors/backend-errors.ts'
import { hasCode } from '../../internal/apalis-error.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, raise } from './kit.ts'
import { queue } from './store-kit.ts'
import { repeatedPushCases, unknownPushCases } from './unknown-pushes.ts'

/** What a push promises beside storing its task. */
export const pushingCases: readonly CaseDefinition[] = [
  ...unknownPushCases,
  ...repeatedPushCases,
  {
    name: 'a push that surely failed says so, and stored nothing',
    async run(world) {
      const { storage, wire } = await world.process()
      const tasks = storage.queue<string>(queue)
      wire.refuse('insert', 1)
      await assert.rejects(
        tasks.push('a'),
        (error) => isBackendError(error) && error.applied === 'no',
      )
      assert.deepEqual(await world.rows(queue), [])
      await tasks.push('b')
      assert.equal((await world.rows(queue)).length, 1)
    },
  },
  {
    name: 'options that cannot be used are refused by name, and nothing is stored',
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      const options: readonly (readonly [string, object])[] = [
        ['id', { id: '' }],
        ['id', { id: 'x'.repeat(256) }],
        ['id', { id: 'nul\u0000' }],
        ['attempts', { attempts: 0 }],
        ['attempts', { attempts: 1.5 }],
        ['timeout', { timeout: -1 }],
        ['delay', { delay: '10 minutes' }],
        ['delay', { delay: Number.NaN }],
        ['runAt', { runAt: new Date(Number.NaN) }],
        ['priority', { priority: 32_768 }],
        ['priority', { priority: 0.5 }],
        ['unique', { unique: '' }],
        ['prioritty', { prioritty: 1 }],
      ]
      for (const [option, given] of options) {
        await assert.rejects(
          // Each is wrong in its own way, which the types would say too.
          async () => tasks.push('a', given),
          (error) =>
            error instanceof Error &&
            hasCode(error, 'ERR_OPTION') &&
            error.message.includes(option),
          `${option}: ${JSON.stringify(given)}`,
        )
      }
      for (const name of ['', 'x'.repeat(256), 'nul\u0000']) {
        assert.throws(
          () => storage.queue(name),
          (error) => hasCode(error, 'ERR_OPTION'),
        )
      }
      assert.deepEqual(await world.rows(queue), [])
    },
  },
  {
    name: 'enrich adds metadata to every push, below what the caller gives',
    async run(world) {
      const { storage } = await world.process()
      let calls = 0
      const tasks = storage.queue<string>(queue, {
        enrich: () => {
          calls += 1
          return { trace: `t${calls}`, tenant: 'default' }
        },
      })
      await tasks.push('a', { metadata: { tenant: 'acme' } })
      await tasks.push('b')
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ metadata }) => metadata),
        [
          { trace: 't1', tenant: 'acme' },
          { trace: 't2', tenant: 'default' },
        ],
      )
    },
  },
  {
    name: 'what caller and handler do to the arguments changes nothing that is stored',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<{ list: number[] }>(queue, { attempts: 2, backoff: () => 0 })
      const desk = new Desk<{ list: number[] }>()
      work(tasks, desk.handler)
      const args = { list: [1] }
      await tasks.push(args)
      args.list.push(2)
      await world.until('the handler runs', () => desk.runs.length === 1)
      desk.at(0).args.list.push(3)
      desk.at(0).fail(new Error('again'))
      await world.within(1_000, 'the handler runs again', () => desk.runs.length === 2)
      assert.deepEqual(desk.at(1).args, { list: [1] })
    },
  },
  {
    name: 'a stream that breaks off or brings what cannot be stored: what came before may stay, in order, and nothing after',
    async run(world) {
      const { storage } = await world.process()
      const broken = new Error('the source broke')
      async function* source(end: () => unknown): AsyncGenerator<unknown> {
        for (let n = 0; n < 1_500; n += 1) yield n
        yield end()
        yield 'never'
      }
      const ends: readonly (readonly [string, () => unknown, (error: unknown) => boolean])[] = [
        ['breaks off', () => raise(broken), (error) => error === broken],
        ['unstorable', () => 1n, isEncodeError],
      ]
      for (const [name, end, expected] of ends) {
        await assert.rejects(storage.queue<unknown>(name).pushStream(source(end)), expected)
        const args = (await world.rows(name)).map((row) => Number(row.args))
        assert.ok(args.length >= 1_000 && args.length <= 1_500, `${args.length} stored`)
        assert.deepEqual(
          args,
          Array.from({ length: args.length }, (_, index) => index),
        )
      }
    },
  },
]
