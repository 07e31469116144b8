import assert from 'node:assert/strict'
import { isWorkerStateError } from '../../errors/worker-errors.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Gate, Notes } from './kit.ts'
import { queue } from './store-kit.ts'

/** Pause and resume, of queues and of workers: 81 to 83. */
export const pauseCases: readonly CaseDefinition[] = [
  {
    number: 81,
    name: 'a paused queue: what runs finishes, nothing starts, what becomes due waits, resume goes on in order; for all workers',
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const admin = await world.process()
      const tasks = admin.storage.queue<string>(queue)
      const desk = new Desk<string>()
      const notes = new Notes<string>()
      await tasks.push('running')
      one.work(one.storage.queue<string>(queue), desk.handler, { concurrency: 1 })
      await world.until('it runs', () => desk.open === 1)
      const second = other.work(other.storage.queue<string>(queue), notes.handler, {
        concurrency: 1,
      })
      await world.until('the other is idle', () => eventsOf(second, 'idle').length === 1)
      await tasks.pause()
      assert.equal(await one.storage.queue<string>(queue).isPaused(), true)
      await world.quiet()
      await tasks.push('delayed', { delay: '20s', priority: 1 })
      await tasks.push('first')
      await tasks.push('second')
      desk.at(0).finish(undefined)
      await world.until(
        'the running one is done',
        async () => (await world.counts(queue)).done === 1,
      )
      await world.advance(60_000)
      assert.deepEqual([desk.runs.length, notes.args.length], [1, 0])
      assert.deepEqual(
        (await world.rows(queue)).map(({ status, attempt }) => [status, attempt]).slice(1),
        [
          ['pending', 0],
          ['pending', 0],
          ['pending', 0],
        ],
      )
      one.die()
      await tasks.resume()
      await world.within(10_000, 'all ran', () => notes.args.length === 3)
      assert.deepEqual(notes.args, ['delayed', 'first', 'second'])
    },
  },
  {
    number: 81,
    name: 'the pause is stored: it holds for processes that start later',
    async run(world) {
      const admin = await world.process()
      const tasks = admin.storage.queue<string>(queue)
      await tasks.pause()
      await admin.storage.close()
      const later = await world.process()
      const notes = new Notes<string>()
      const again = later.storage.queue<string>(queue)
      await again.push('a')
      later.work(again, notes.handler)
      await world.advance(30_000)
      assert.deepEqual(notes.args, [])
      assert.deepEqual(await later.storage.listQueues(), [{ name: queue, paused: true }])
      assert.equal((await again.metrics()).paused, true)
      await again.resume()
      await world.within(10_000, 'it ran', () => notes.args.length === 1)
    },
  },
  {
    number: 81,
    name: 'what waits in a worker when the queue is paused is given back',
    async run(world) {
      const { storage, work } = await world.process()
      const admin = await world.process()
      const tasks = storage.queue<number>(queue)
      await tasks.pushBulk([0, 1, 2])
      const desk = new Desk<number>()
      work(tasks, desk.handler, { layers: [new Gate(3, 0).layer] })
      await world.until('one runs', () => desk.open === 1)
      assert.equal((await world.counts(queue)).running, 3)
      await admin.storage.queue<number>(queue).pause()
      await world.within(
        1_000,
        'two are back',
        async () => (await world.counts(queue)).pending === 2,
      )
      assert.ok((await world.rows(queue)).slice(1).every(({ attempt }) => attempt === 0))
      desk.at(0).finish(undefined)
    },
  },
  {
    number: 82,
    name: 'a paused worker claims nothing, ends what it runs, and leaves the others to run; resume goes on',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const gate = new Gate(2, 0)
      await tasks.pushBulk(['running', 'waiting'])
      const worker = work(tasks, desk.handler, { layers: [gate.layer] })
      await world.until('one runs', () => desk.open === 1)
      worker.context.pause()
      assert.equal(worker.context.state, 'paused')
      assert.throws(() => worker.context.pause(), isWorkerStateError)
      await world.until('the other is back', async () => (await world.counts(queue)).pending === 1)
      const other = await world.process()
      const notes = new Notes<string>()
      const free = other.work(other.storage.queue<string>(queue), notes.handler, { name: 'free' })
      await world.until('another ran it', () => notes.args.length === 1)
      free.context.stop()
      await world.until('the free one ended', () => free.over)
      await tasks.push('later')
      desk.at(0).finish(undefined)
      await world.advance(30_000)
      assert.deepEqual([desk.runs.length, notes.args.length], [1, 1])
      assert.equal((await world.counts(queue)).done, 2)
      gate.set(1)
      worker.context.resume()
      assert.throws(() => worker.context.resume(), isWorkerStateError)
      await world.within(1_000, 'it goes on', () => desk.runs.length === 2)
      assert.deepEqual(
        worker.events.map(({ type }) => type).filter((type) => /pause|resume/.test(type)),
        ['pause', 'resume'],
      )
    },
  },
  {
    number: 82,
    name: 'a worker that waits for work pauses at once: a task pushed just after is not claimed',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const notes = new Notes<string>()
      const worker = work(tasks, notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      worker.context.pause()
      await tasks.push('a')
      await world.advance(20_000)
      assert.deepEqual(notes.args, [])
      assert.equal((await world.counts(queue)).pending, 1)
      worker.context.resume()
      await world.within(1_000, 'it ran', () => notes.args.length === 1)
    },
  },
  {
    number: 83,
    name: 'pauses and resumes during a storm of pushes lose nothing and double nothing',
    async run(world) {
      const { storage, work } = await world.process()
      const other = await world.process()
      const tasks = storage.queue<number>(queue)
      const notes = new Notes<number>()
      const worker = work(tasks, notes.handler)
      other.work(other.storage.queue<number>(queue), notes.handler)
      const pushes = Array.from({ length: 400 }, (_, n) => tasks.push(n))
      for (let round = 0; round < 10; round += 1) {
        await tasks.pause()
        worker.context.pause()
        pushes.push(...Array.from({ length: 20 }, (_, n) => tasks.push(400 + round * 20 + n)))
        worker.context.resume()
        await tasks.resume()
      }
      await Promise.all(pushes)
      await world.within(
        20_000,
        'all are done',
        async () => (await world.counts(queue)).done === 600,
      )
      assert.deepEqual(notes.doubled, [])
      assert.equal(notes.args.length, 600)
    },
  },
]
