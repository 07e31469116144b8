import assert from 'node:assert/strict'
import { json } from '../../codec/json.ts'
import { isTaskGoneError } from '../../errors/backend-errors.ts'
import { isTaskKilledError, isTimeoutError } from '../../errors/task-errors.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Notes, pending, raise } from './kit.ts'
import { queue } from './store-kit.ts'

const options = { result: json<string>() }

/** Results, waiting and listeners: 110, 111, 115. */
export const resultCases: readonly CaseDefinition[] = [
  {
    number: 110,
    name: 'a result is waited for before the task ends and after, by any process',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      const tasks = producer.storage.queue<string, string>(queue, options)
      const desk = new Desk<string, string>()
      consumer.work(consumer.storage.queue<string, string>(queue, options), desk.handler)
      const id = await tasks.push('a')
      const early = pending(tasks.result(id))
      await world.until('it runs', () => desk.open === 1)
      await world.quiet()
      desk.at(0).finish('the result')
      await world.within(1_000, 'the early waiter is woken', () => early.over)
      assert.equal(await early.promise, 'the result')
      assert.equal(await tasks.result(id), 'the result')
      assert.equal(
        await consumer.storage.queue<string, string>(queue, options).result(id),
        'the result',
      )
    },
  },
  {
    number: 110,
    name: 'an end between the subscription and the look is not missed',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      const tasks = producer.storage.queue<string, string>(queue, options)
      const desk = new Desk<string, string>()
      consumer.work(consumer.storage.queue<string, string>(queue, options), desk.handler)
      for (const where of ['before', 'after'] as const) {
        const id = await tasks.push(where)
        await world.until('it runs', () => desk.open === 1)
        const watch = producer.wire.hold('watch', where, 1)
        const waiting = pending(tasks.result(id))
        await world.until('it looks', () => watch.count === 1)
        desk.at(-1).finish(`ended ${where}`)
        await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
        await world.quiet()
        watch.letGo()
        await world.within(6_000, `the waiter is woken, ${where}`, () => waiting.over)
        assert.equal(await waiting.promise, `ended ${where}`)
      }
    },
  },
  {
    number: 110,
    name: 'a task that was killed rejects with its last error as cause, however it was',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string, string>(queue, {
        ...options,
        attempts: 2,
        backoff: () => 0,
      })
      work(tasks, (args) => raise(Object.assign(new TypeError(`no ${args}`), { code: 'E_OWN' })))
      const id = await tasks.push('luck')
      const waiting = pending(tasks.result(id))
      await world.within(2_000, 'it is killed', () => waiting.over)
      await assert.rejects(waiting.promise, (error) => {
        assert.ok(isTaskKilledError(error))
        assert.equal(error.taskId, id)
        assert.ok(error.cause instanceof Error)
        assert.equal(error.cause.message, 'no luck')
        assert.equal(error.cause.name, 'TypeError')
        assert.equal('code' in error.cause && error.cause.code, 'E_OWN')
        return true
      })
      const delayed = await tasks.push('never', { delay: '1h' })
      const cancelled = pending(tasks.result(delayed))
      await world.quiet()
      await tasks.kill(delayed, 'cancelled by hand')
      await world.within(1_000, 'the waiter is woken', () => cancelled.over)
      await assert.rejects(
        cancelled.promise,
        (error) =>
          isTaskKilledError(error) &&
          /cancelled by hand/.test(String((error.cause as Error).message)),
      )
    },
  },
  {
    number: 110,
    name: 'a wait ends at its timeout or with its signal; the task does not',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string, string>(queue, options)
      const desk = new Desk<string, string>()
      work(tasks, desk.handler)
      const id = await tasks.push('a')
      await world.until('it runs', () => desk.open === 1)
      const timed = pending(tasks.result(id, { timeout: '10s' }))
      const controller = new AbortController()
      const aborted = pending(tasks.result(id, { signal: controller.signal }))
      await world.advance(8_000)
      assert.deepEqual([timed.over, aborted.over], [false, false])
      await world.within(3_000, 'the timeout ends it', () => timed.over)
      await assert.rejects(timed.promise, isTimeoutError)
      const reason = new Error('no longer interested')
      controller.abort(reason)
      await assert.rejects(aborted.promise, (error) => error === reason)
      await assert.rejects(
        tasks.result(id, { signal: controller.signal }),
        (error) => error === reason,
      )
      assert.equal(desk.at(0).signal.aborted, false)
      desk.at(0).finish('after all')
      assert.equal(await tasks.result(id), 'after all')
    },
  },
  {
    number: 110,
    name: 'a task that is removed, or never was, rejects with TaskGoneError',
    async run(world) {
      const { storage } = await world.process()
      const admin = await world.process()
      const tasks = storage.queue<string, string>(queue, options)
      await assert.rejects(tasks.result('nobody'), isTaskGoneError)
      const id = await tasks.push('a', { delay: '1h' })
      const waiting = pending(tasks.result(id))
      await world.quiet()
      await admin.storage.queue<string>(queue).remove(id)
      await world.within(1_000, 'the waiter is woken', () => waiting.over)
      await assert.rejects(
        waiting.promise,
        (error) => isTaskGoneError(error) && error.taskId === id,
      )
    },
  },
  {
    number: 110,
    name: 'an awaited result outlives the count of finished tasks that are kept',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      const tasks = producer.storage.queue<string, string>(queue, options)
      const working = consumer.storage.queue<string, string>(queue, options)
      consumer.work(working, (args) => `result of ${args}`, { concurrency: 200 })
      await tasks.pause()
      const id = await tasks.push('a', { priority: 1 })
      const waiting = pending(tasks.result(id))
      await world.quiet()
      const late = producer.wire.hold(['watch', 'get'], 'before')
      await tasks.pushBulk(Array.from({ length: 1_500 }, (_, index) => `other ${index}`))
      await tasks.resume()
      await world.within(5_000, 'all others are done', async () => {
        const { pending, running } = await world.counts(queue)
        return pending + running === 0
      })
      late.letGo()
      await world.within(10_000, 'the waiter is woken', () => waiting.over)
      assert.equal(await waiting.promise, 'result of a')
    },
  },
  {
    number: 110,
    name: 'without signals a waiter looks by itself',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      producer.wire.refuse('listen')
      const tasks = producer.storage.queue<string, string>(queue, options)
      const desk = new Desk<string, string>()
      consumer.work(consumer.storage.queue<string, string>(queue, options), desk.handler)
      const id = await tasks.push('a')
      const waiting = pending(tasks.result(id))
      await world.until('it runs', () => desk.open === 1)
      await world.quiet()
      desk.at(0).finish('found')
      await world.within(15_000, 'the waiter finds it', () => waiting.over)
      assert.equal(await waiting.promise, 'found')
    },
  },
  {
    number: 110,
    name: 'waitFor gives each task once, in the order in which they end; checkStatus tells what is',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string, string>(queue, { ...options, attempts: 1 })
      const desk = new Desk<string, string>()
      work(tasks, desk.handler)
      const pushed = await tasks.pushBulk(['a', 'b', 'c'])
      const [a = '', b = '', c = ''] = pushed
      await world.until('all run', () => desk.open === 3)
      const found: unknown[] = []
      const wait = async (): Promise<void> => {
        for await (const { id, status, result } of tasks.waitFor([...pushed, a, 'nobody'])) {
          found.push([id, status, result])
        }
      }
      const waiting = pending(wait())
      await world.until('what is not stored is told', () => found.length === 1)
      desk.at(2).finish('third')
      await world.within(1_000, 'the third is told', () => found.length === 2)
      desk.at(0).fail(new Error('first'))
      await world.within(1_000, 'the first is told', () => found.length === 3)
      const status = await tasks.checkStatus([a, b, c, 'nobody'])
      assert.deepEqual(
        status.map((one) => [one.id, one.status, one.result]),
        [
          [a, 'killed', undefined],
          [b, 'running', undefined],
          [c, 'done', 'third'],
          ['nobody', undefined, undefined],
        ],
      )
      assert.equal(status[0]?.error?.message, 'first')
      desk.at(1).finish('second')
      await world.within(1_000, 'the wait ends', () => waiting.over)
      assert.deepEqual(found, [
        ['nobody', undefined, undefined],
        [c, 'done', 'third'],
        [a, 'killed', undefined],
        [b, 'done', 'second'],
      ])
    },
  },
  {
    number: 111,
    name: 'a thousand waiters share one listener and a handful of calls',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      const tasks = producer.storage.queue<number, string>(queue, options)
      await tasks.pause()
      const pushed = await tasks.pushBulk(Array.from({ length: 1_000 }, (_, index) => index))
      let most = 0
      let open = 0
      producer.wire.intercept(['watch', 'get', 'listen'], async (apply) => {
        open += 1
        most = Math.max(most, open)
        try {
          return await apply()
        } finally {
          open -= 1
        }
      })
      const waiting = pending(Promise.all(pushed.map((id) => tasks.result(id))))
      await world.quiet()
      consumer.work(consumer.storage.queue<number, string>(queue, options), (n) => `result ${n}`, {
        concurrency: 100,
      })
      await tasks.resume()
      await world.within(10_000, 'all are woken', () => waiting.over)
      const results = await waiting.promise
      assert.equal(new Set(results).size, 1_000)
      assert.equal(results[999], 'result 999')
      assert.equal(producer.wire.count('listen'), 1)
      assert.ok(most <= 4, `${most} calls at the same time`)
      assert.ok(producer.wire.count(['watch', 'get']) < 200, 'a call for each waiter')
    },
  },
  {
    number: 115,
    name: 'a listener that throws or rejects disturbs neither the tasks nor the other listeners, and is reported',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const notes = new Notes<string>()
      let heard = 0
      const worker = work(tasks, notes.handler, {
        listener: (event) => {
          if (event.type === 'error') return
          heard += 1
          if (heard % 2 === 0) void raise(new Error('the listener failed'))
          // What a listener declared as async would give back.
          return Promise.reject(new Error('the listener rejected'))
        },
      })
      await tasks.pushBulk(['a', 'b', 'c'])
      await world.until('all are done', async () => (await world.counts(queue)).done === 3)
      await world.until('all are told', () => eventsOf(worker, 'success').length === 3)
      await world.quiet()
      assert.deepEqual(notes.args.toSorted(), ['a', 'b', 'c'])
      const reported = worker.events.filter(
        (event) =>
          event.type === 'error' &&
          'operation' in event &&
          event.error instanceof Error &&
          /the listener/.test(event.error.message),
      )
      assert.equal(reported.length, heard)
      assert.equal(worker.context.state, 'running')
    },
  },
]
