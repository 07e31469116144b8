import assert from 'node:assert/strict'
import { json } from '../../codec/json.ts'
import { isDecodeError, isDuplicateTaskError, isEncodeError } from '../../errors/backend-errors.ts'
import { TaskBuilder } from '../../task/task-builder.ts'
import type { CaseDefinition } from './definition.ts'
import { failures, Notes } from './kit.ts'
import { type Order, orderSchema } from './schema.ts'
import { ids, queue } from './store-kit.ts'

const values: readonly unknown[] = [
  null,
  true,
  0,
  -1.5e-7,
  '',
  'žluťoučký kůň 🐎 \u2028 "quoted" \\ \n',
  [],
  {},
  [[], {}, [null, { a: [1, 2, { b: null }] }]],
  { '': 1, 'a.b': { $set: 1 }, ключ: ['ценность'] },
  // What JSON escapes stays as it is, whatever a database thinks of it.
  'nul \u0000, lone \ud800',
  JSON.parse('{"__proto__":{"a":1},"constructor":2}'),
  // As much as is let through: with its quotes, one MiB.
  'x'.repeat(1024 * 1024 - 2),
]

/** Enqueue, identity, bulk: 1 to 7, 10. */
export const enqueueCases: readonly CaseDefinition[] = [
  {
    number: 1,
    name: 'a task is fetched as it was pushed, whatever JSON it is, also by another process',
    async run(world) {
      const producer = await world.process()
      const reader = await world.process()
      const pushing = producer.storage.queue<unknown>(queue)
      const reading = reader.storage.queue<unknown>(queue)
      for (const value of values) {
        const id = await pushing.push(value)
        const task = await reading.fetchById(id)
        assert.ok(task)
        assert.deepEqual(task.args, value)
        assert.equal((await world.row(queue, id)).args, JSON.stringify(value))
        assert.deepEqual([task.parts.taskId, task.parts.status], [id, 'pending'])
      }
      assert.equal(await reading.fetchById('nobody'), undefined)
      const notes = new Notes<unknown>()
      reader.work(reading, notes.handler, { concurrency: 1 })
      await world.until('all were handled', () => notes.args.length === values.length)
      assert.deepEqual(notes.args, values)
    },
  },
  {
    number: 1,
    name: 'what is kept beside the arguments comes back too',
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 4 })
      const runAt = new Date(world.harness.clock.now() + 3_600_000)
      const id = await tasks.push('a', {
        id: 'task-123',
        attempts: 7,
        timeout: '90s',
        runAt,
        priority: -3,
        unique: 'the key',
        metadata: { trace: 'abc', deep: [1, { a: null }] },
      })
      assert.equal(id, 'task-123')
      const parts = (await tasks.fetchById(id))?.parts
      assert.ok(parts)
      assert.deepEqual({ ...parts.attempt }, { current: 0, max: 7 })
      assert.deepEqual([parts.timeoutMs, parts.runAt], [90_000, runAt])
      assert.deepEqual(parts.metadata, { trace: 'abc', deep: [1, { a: null }] })
      const { context } = parts
      assert.deepEqual(
        [context.queue, context.priority, context.uniqueKey, context.epoch, context.rescues],
        [queue, -3, 'the key', 0, 0],
      )
      const built = new TaskBuilder('b').id('built').attempts(2).timeout('5s').priority(9).build()
      assert.equal(await tasks.pushTask(built), 'built')
      const other = (await tasks.fetchById('built'))?.parts
      assert.deepEqual(
        [other?.attempt.max, other?.timeoutMs, other?.context.priority],
        [2, 5_000, 9],
      )
      const plain = (await tasks.fetchById(await tasks.push('c')))?.parts
      assert.deepEqual([plain?.attempt.max, plain?.context.priority], [4, 0])
    },
  },
  {
    number: 2,
    name: 'a second push of an id gives that id and changes nothing, or throws when asked to',
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const first = one.storage.queue<string>(queue)
      const second = other.storage.queue<string>(queue)
      assert.equal(await first.push('original', { id: 'same' }), 'same')
      const before = await world.row(queue, 'same')
      assert.equal(await second.push('changed', { id: 'same', priority: 5, unique: 'k' }), 'same')
      await assert.rejects(
        second.push('changed', { id: 'same', onDuplicate: 'throw' }),
        (error) => isDuplicateTaskError(error) && error.existing === 'same',
      )
      assert.deepEqual(await world.row(queue, 'same'), before)
      assert.equal((await world.rows(queue)).length, 1)
      const notes = new Notes<string>()
      one.work(first, notes.handler)
      await world.until('it is done', async () => (await world.counts(queue)).done === 1)
      assert.equal(await second.push('again', { id: 'same' }), 'same')
      await world.quiet()
      assert.deepEqual(notes.args, ['original'])
    },
  },
  {
    number: 3,
    name: 'an id that was forgotten is accepted as new',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const notes = new Notes<string>()
      work(tasks, notes.handler)
      await tasks.push('first', { id: 'same' })
      await world.until('it is done', async () => (await world.counts(queue)).done === 1)
      await world.advance(10_000)
      assert.equal(await tasks.vacuum({ status: 'done', olderThan: '5s' }), 1)
      assert.equal(await tasks.push('second', { id: 'same', onDuplicate: 'throw' }), 'same')
      await world.until('the second ran', () => notes.args.length === 2)
      assert.deepEqual(notes.args, ['first', 'second'])
    },
  },
  {
    number: 4,
    name: 'a bulk push keeps the order, in its ids and in the runs',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const args = Array.from({ length: 1_200 }, (_, index) => index)
      const pushed = await tasks.pushBulk(args)
      assert.equal(new Set(pushed).size, args.length)
      for (const index of [0, 1, 599, 1_199]) {
        assert.equal((await tasks.fetchById(pushed[index] ?? ''))?.args, index)
      }
      assert.deepEqual(ids(await world.rows(queue)), pushed)
      const notes = new Notes<number>()
      work(tasks, notes.handler, { concurrency: 1 })
      await world.until('all were handled', () => notes.args.length === args.length)
      assert.deepEqual(notes.args, args)
    },
  },
  {
    number: 4,
    name: 'pushAll and pushStream keep the order too, and a stream tells how many',
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<number>(queue)
      const built = [3, 1, 2].map((n) => new TaskBuilder(n).id(`task-${n}`).build())
      assert.deepEqual(await tasks.pushAll(built), ['task-3', 'task-1', 'task-2'])
      async function* source(): AsyncGenerator<number> {
        for (let n = 0; n < 2_500; n += 1) yield n
      }
      assert.equal(await tasks.pushStream(source()), 2_500)
      assert.equal(await tasks.pushStream([]), 0)
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ args }) => Number(args)),
        [3, 1, 2, ...Array.from({ length: 2_500 }, (_, index) => index)],
      )
    },
  },
  {
    number: 5,
    name: 'a bulk push with one invalid item stores nothing',
    async run(world) {
      const { storage } = await world.process()
      const orders = storage.queue(queue, { args: json(orderSchema) })
      const invalid = { n: 1.5 }
      await assert.rejects(orders.pushBulk([{ n: 1 }, invalid, { n: 3 }]), isEncodeError)
      const anything = storage.queue<unknown>(queue)
      await assert.rejects(anything.pushBulk([1, 2, { big: 1n }]), isEncodeError)
      await assert.rejects(
        anything.pushAll([
          new TaskBuilder<unknown>('fine').build(),
          new TaskBuilder<unknown>(new Date(0)).build(),
        ]),
        isEncodeError,
      )
      assert.deepEqual(await world.rows(queue), [])
    },
  },
  {
    number: 6,
    name: 'arguments over the size limit are refused, and nothing is stored',
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      const tooLarge = 'x'.repeat(1024 * 1024 + 1)
      await assert.rejects(tasks.push(tooLarge), isEncodeError)
      await assert.rejects(tasks.pushBulk(['fine', tooLarge]), isEncodeError)
      // Fewer characters than the limit, and more bytes.
      await assert.rejects(tasks.push('ž'.repeat(600_000)), isEncodeError)
      assert.deepEqual(await world.rows(queue), [])
    },
  },
  {
    number: 7,
    name: 'what fails the schema is refused with the issues; stored behind our back it is killed with them, the rest goes on',
    async run(world) {
      const { storage, work } = await world.process()
      const orders = storage.queue(queue, { args: json(orderSchema), attempts: 5 })
      const invalid = { n: 0.5 }
      await assert.rejects(orders.push(invalid), (error) => {
        assert.ok(isEncodeError(error))
        assert.deepEqual(
          error.issues.map(({ message, path }) => [message, path]),
          [['n is not a whole number', 'n']],
        )
        return true
      })
      assert.deepEqual(await world.rows(queue), [])
      const pushed = await orders.pushBulk([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
      const [, broken = '', failing = ''] = pushed
      await world.harness.corrupt(queue, broken, '{"n":')
      await world.harness.corrupt(queue, failing, '{"n":"two"}')
      const notes = new Notes<Order>()
      const worker = work(orders, notes.handler, { concurrency: 1 })
      await world.until('the queue is empty', async () => {
        const { done, killed } = await world.counts(queue)
        return done + killed === 4
      })
      assert.deepEqual(notes.args, [{ n: 1 }, { n: 4 }])
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ status }) => status),
        ['done', 'killed', 'killed', 'done'],
      )
      assert.deepEqual([rows[1]?.args, rows[2]?.args], ['{"n":', '{"n":"two"}'])
      for (const row of rows.slice(1, 3)) {
        assert.deepEqual([row.attempt, row.errors.length], [1, 1])
        assert.equal(row.errors[0]?.code, 'ERR_DECODE')
      }
      assert.match(rows[2]?.errors[0]?.message ?? '', /n is not a whole number/)
      await world.until('both are told', () => failures(worker, 'killed').length === 2)
      const [, second] = failures(worker, 'killed')
      assert.ok(isDecodeError(second?.error))
      assert.deepEqual(
        second.error.issues.map(({ message }) => message),
        ['n is not a whole number'],
      )
      assert.equal(worker.context.state, 'running')
    },
  },
  {
    number: 10,
    name: 'a thousand pushes at once from ten processes: a thousand ids, none lost',
    async run(world) {
      const processes = await Promise.all(Array.from({ length: 10 }, () => world.process()))
      const pushed = await Promise.all(
        processes.flatMap(({ storage }, index) => {
          const tasks = storage.queue<number>(queue)
          return Array.from({ length: 100 }, (_, n) => tasks.push(index * 100 + n))
        }),
      )
      assert.equal(new Set(pushed).size, 1_000)
      const rows = await world.rows(queue)
      assert.deepEqual(ids(rows).toSorted(), pushed.toSorted())
      assert.equal(new Set(rows.map(({ args }) => args)).size, 1_000)
      const last = rows.find(({ id }) => id === pushed[999])
      assert.equal(last?.args, '999')
    },
  },
]
