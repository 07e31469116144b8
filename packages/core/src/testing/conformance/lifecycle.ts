import assert from 'node:assert/strict'
import { isInterruptedError } from '../../errors/task-errors.ts'
import { isWorkerStateError } from '../../errors/worker-errors.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Notes } from './kit.ts'
import { queue } from './store-kit.ts'
import { claiming } from '../wire.ts'

/** Shutdown and worker life: 84 to 88. */
export const lifecycleCases: readonly CaseDefinition[] = [
  {
    number: 84,
    name: 'a graceful stop: no new claims, what runs finishes and is durable, then `run` returns and the lease is gone',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      await tasks.pushBulk(['a', 'b', 'c'])
      const worker = work(tasks, desk.handler, { concurrency: 2, shutdownTimeout: '20s' })
      await world.until('two run', () => desk.open === 2)
      worker.context.stop()
      assert.equal(worker.context.state, 'stopping')
      const claims = wire.count(claiming)
      desk.at(0).finish(undefined)
      await world.advance(10_000)
      assert.deepEqual([worker.over, desk.runs.length], [false, 2])
      desk.at(1).finish(undefined)
      await world.until('the worker ends', () => worker.over)
      await worker.context.stopped
      assert.equal(worker.context.state, 'stopped')
      assert.equal(wire.count(claiming), claims)
      const { done, pending, running } = await world.counts(queue)
      assert.deepEqual([done, pending, running], [2, 1, 0])
      assert.deepEqual(await tasks.listWorkers(), [])
      assert.equal(worker.events.at(-1)?.type, 'stop')
    },
  },
  {
    number: 84,
    name: 'past the deadline: the signal aborts; returned is done, thrown is given back, still running is given back and leaked',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 1 })
      const desk = new Desk<string>()
      const names = ['returns', 'throws', 'ignores']
      await tasks.pushBulk(names)
      const worker = work(tasks, desk.handler, { shutdownTimeout: '10s' })
      await world.until('all run', () => desk.open === 3)
      worker.context.stop()
      await world.advance(8_000)
      assert.deepEqual(
        desk.runs.map(({ signal }) => signal.aborted),
        [false, false, false],
      )
      await world.within(2_500, 'the signals abort', () => desk.at(0).signal.aborted)
      assert.ok(desk.runs.every(({ signal }) => isInterruptedError(signal.reason)))
      desk.at(0).finish(undefined)
      desk.at(1).fail(new Error('on the way out'))
      await world.until('two are settled', async () => (await world.counts(queue)).running === 1)
      assert.equal((await world.counts(queue)).done, 1)
      await world.within(5_000, 'the worker ends', () => worker.over)
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ status, attempt, releases, rescues }) => [status, attempt, releases, rescues]),
        [
          ['done', 1, 0, 0],
          ['pending', 0, 0, 0],
          ['pending', 0, 0, 0],
        ],
      )
      assert.deepEqual(
        eventsOf(worker, 'leaked').map(({ task }) => task.args),
        ['ignores'],
      )
      // Long before the lease would have ended.
      const other = await world.process()
      const notes = new Notes<string>()
      other.work(other.storage.queue<string>(queue), notes.handler, { concurrency: 1 })
      await world.until('another runs them', () => notes.args.length === 2)
      assert.deepEqual(notes.args, ['throws', 'ignores'])
      assert.deepEqual(notes.attempts, [1, 1])
      desk.at(2).finish('late')
      await world.quiet()
      assert.equal((await world.counts(queue)).done, 3)
    },
  },
  {
    number: 85,
    name: 'stop any number of times, also from inside a handler: one drain',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const worker = work(tasks, async (_args, request) => {
        request.worker.stop()
        await Promise.resolve()
        request.worker.stop()
        return 'done'
      })
      await tasks.push('a')
      await world.until('the worker ends', () => worker.over)
      worker.context.stop()
      assert.equal((await world.counts(queue)).done, 1)
      assert.equal(eventsOf(worker, 'stop').length, 1)
      assert.equal(eventsOf(worker, 'success').length, 1)
      assert.deepEqual(await tasks.listWorkers(), [])
    },
  },
  {
    number: 85,
    name: 'a worker stopped before it runs: run returns at once, and it runs only once',
    async run(world) {
      const { storage, wire, prepare } = await world.process()
      const tasks = storage.queue<string>(queue)
      await tasks.push('a')
      const notes = new Notes<string>()
      const early = prepare(tasks, notes.handler)
      early.context.stop()
      early.context.stop()
      await early.run()
      assert.equal(early.context.state, 'stopped')
      await world.quiet()
      assert.deepEqual([notes.args.length, wire.count(claiming)], [0, 0])
      const twice = prepare(tasks, notes.handler)
      const running = twice.run()
      await assert.rejects(twice.run(), isWorkerStateError)
      await world.until('it ran', () => notes.args.length === 1)
      twice.context.stop()
      await world.until('it ends', () => twice.context.state === 'stopped')
      await running
      await assert.rejects(twice.run(), isWorkerStateError)
    },
  },
  {
    number: 86,
    name: 'a stop never gives back a task whose handler runs before the deadline and the grace have passed',
    async run(world) {
      const { storage, work } = await world.process()
      const other = await world.process()
      const desk = new Desk<string>()
      const notes = new Notes<string>()
      const tasks = storage.queue<string>(queue)
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler, { shutdownTimeout: '60s', abortGrace: '20s' })
      await world.until('it runs', () => desk.open === 1)
      other.work(other.storage.queue<string>(queue), notes.handler)
      worker.context.stop()
      await world.advance(55_000)
      assert.equal((await world.row(queue, id)).status, 'running')
      assert.equal(desk.at(0).signal.aborted, false)
      await world.advance(20_000)
      assert.equal(desk.at(0).signal.aborted, true)
      assert.equal((await world.row(queue, id)).status, 'running')
      assert.deepEqual(notes.args, [])
      await world.within(30_000, 'another runs it', () => notes.args.length === 1)
      assert.deepEqual(notes.attempts, [1])
    },
  },
  {
    number: 86,
    name: 'without a deadline a stop waits for as long as the handler needs',
    async run(world) {
      const { storage, work } = await world.process()
      const desk = new Desk<string>()
      const tasks = storage.queue<string>(queue)
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      worker.context.stop()
      await world.advance(300_000, { step: 2_000 })
      assert.deepEqual([worker.over, desk.at(0).signal.aborted], [false, false])
      const { status, rescues } = await world.row(queue, id)
      assert.deepEqual([status, rescues], ['running', 0])
      desk.at(0).finish(undefined)
      await world.until('the worker ends', () => worker.over)
      assert.equal((await world.row(queue, id)).status, 'done')
    },
  },
  {
    number: 87,
    name: 'work that a handler hands to `track` is waited for, also when it begins during the drain',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      await tasks.push('a')
      const worker = work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      worker.context.stop()
      await world.quiet()
      const child = Promise.withResolvers<string>()
      const tracked = worker.context.track(child.promise)
      desk.at(0).finish(undefined)
      await world.until('the task is done', async () => (await world.counts(queue)).done === 1)
      await world.advance(30_000)
      assert.equal(worker.over, false)
      assert.equal(worker.context.hasPendingTasks(), true)
      child.resolve('value')
      await world.until('the worker ends', () => worker.over)
      assert.equal(await tracked, 'value')
    },
  },
  {
    number: 88,
    name: 'a process that only pushes exits by itself',
    needs: ['producer'],
    async run(world) {
      await world.runProducer(queue)
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ args }) => JSON.parse(args)),
        [{ n: 1 }],
      )
    },
  },
  {
    number: 84,
    name: 'a stop while the storage is away ends with its deadline, and tells what could not be written',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      await tasks.pushBulk(['ends', 'ignores'])
      const worker = work(tasks, desk.handler, { shutdownTimeout: '5s' })
      await world.until('both run', () => desk.open === 2)
      wire.refuse(['settle', 'exchange', 'beat', 'leave', 'claim'])
      worker.context.stop()
      desk.at(0).finish(undefined)
      await world.within(12_000, 'the worker ends', () => worker.over)
      const dropped = eventsOf(worker, 'dropped')
      assert.equal(
        dropped.reduce((sum, { count }) => sum + count, 0),
        2,
      )
      assert.deepEqual(eventsOf(worker, 'success'), [])
      // Nobody lost them: they are rescued once the lease is over.
      const other = await world.process()
      const notes = new Notes<string>()
      other.work(other.storage.queue<string>(queue), notes.handler)
      await world.within(60_000, 'another runs them', () => notes.args.length === 2)
    },
  },
]
