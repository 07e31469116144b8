import assert from 'node:assert/strict'
import { hasCode } from '../../internal/apalis-error.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Failing, Notes } from './kit.ts'
import { ids, queue } from './store-kit.ts'

/** The dead letters, retention, counts and lists: 117 to 122. */
export const adminCases: readonly CaseDefinition[] = [
  {
    number: 117,
    name: 'finished tasks past their retention are forgotten, each status by its own, though the queue is idle',
    async run(world) {
      const { storage, work } = await world.process({
        retention: { done: '30m', killed: '90m' },
        purgeEvery: '10m',
      })
      const tasks = storage.queue<string>(queue, { attempts: 1 })
      const failing = new Failing()
      const worker = work(tasks, (args, request) =>
        args === 'fails' ? failing.handler(args, request) : undefined,
      )
      await tasks.pushBulk(['fine', 'fails'])
      const waiting = await tasks.push('later', { delay: '1d' })
      await world.until('both ended', async () => (await world.counts(queue)).killed === 1)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length > 0)
      await world.advance(25 * 60_000, { step: 5_000 })
      const early = await world.counts(queue)
      assert.deepEqual([early.done, early.killed], [1, 1])
      await world.advance(20 * 60_000, { step: 5_000 })
      const later = await world.counts(queue)
      assert.deepEqual([later.done, later.killed], [0, 1])
      await world.advance(60 * 60_000, { step: 5_000 })
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ id }) => id),
        [waiting],
      )
    },
  },
  {
    number: 117,
    name: 'retention false keeps finished tasks for ever',
    async run(world) {
      const options = { retention: { done: false, killed: false }, purgeEvery: '10m' } as const
      const { storage, work } = await world.process(options)
      const tasks = storage.queue<string>(queue)
      const worker = work(tasks, () => {})
      await tasks.push('a')
      await tasks.kill(await tasks.push('b', { delay: '1h' }))
      await world.until('it is done', async () => (await world.counts(queue)).done === 1)
      // Nobody beats for so long: the timers of a year would take theirs.
      worker.context.stop()
      await world.until('it ends', () => worker.over)
      await world.advance(400 * 86_400_000, { step: 100 * 86_400_000 })
      const later = await world.process(options)
      later.work(later.storage.queue<string>(queue), () => {})
      await world.advance(15 * 60_000, { step: 5_000 })
      const { done, killed } = await world.counts(queue)
      assert.deepEqual([done, killed], [1, 1])
    },
  },
  {
    number: 117,
    name: 'retention 0 forgets what has finished at the next purge, and nothing else',
    async run(world) {
      const { storage, work } = await world.process({
        retention: { done: 0, killed: 0 },
        purgeEvery: '10m',
      })
      const tasks = storage.queue<string>(queue)
      const failing = new Failing()
      work(tasks, (args, request) => (args === 'fails' ? failing.handler(args, request) : args))
      await tasks.pushBulk(['fine', 'also fine'])
      const retrying = await tasks.push('fails', { attempts: 100 })
      await tasks.kill(await tasks.push('killed', { delay: '1h' }))
      await world.until('both are done', async () => (await world.counts(queue)).done === 2)
      await world.advance(15 * 60_000, { step: 5_000 })
      assert.deepEqual(ids(await world.rows(queue)), [retrying])
    },
  },
  {
    number: 118,
    name: 'vacuum forgets only what has finished, of the status and age asked for',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const killed = await tasks.push('killed')
      const removed = await tasks.push('done')
      work(tasks, desk.handler)
      await world.until('both run', () => desk.open === 2)
      desk.at(1).finish(undefined)
      await tasks.kill(killed)
      await world.until('both ended', async () => {
        const counts = await world.counts(queue)
        return counts.done + counts.killed === 2
      })
      await world.advance(60_000)
      const young = await tasks.push('young')
      await world.until('it runs', () => desk.runs.length === 3)
      desk.at(2).finish(undefined)
      await world.until('it is done', async () => (await world.row(queue, young)).status === 'done')
      const running = await tasks.push('running')
      await world.until('the last one runs', () => desk.runs.length === 4)
      const waiting = await tasks.push('waiting', { delay: '1h' })
      assert.equal(await tasks.vacuum({ status: 'done', olderThan: '30s' }), 1)
      assert.equal(await tasks.fetchById(removed), undefined)
      assert.equal(await tasks.vacuum({ olderThan: '30s' }), 1)
      assert.equal(await tasks.fetchById(killed), undefined)
      await world.advance(5_000)
      assert.equal(await tasks.vacuum(), 1)
      assert.deepEqual(
        (await world.rows(queue)).map(({ id }) => id),
        [running, waiting],
      )
      assert.equal(await tasks.vacuum(), 0)
    },
  },
  {
    number: 121,
    name: 'a running task cannot be removed; any other can, and then it never runs',
    async run(world) {
      const { storage, work } = await world.process()
      const admin = await world.process()
      const tasks = storage.queue<string>(queue, { backoff: () => '1m' })
      const others = admin.storage.queue<string>(queue)
      const desk = new Desk<string>()
      const id = await tasks.push('a')
      work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      await assert.rejects(others.remove(id), (error) => hasCode(error, 'ERR_TASK_STATE'))
      assert.equal((await world.row(queue, id)).status, 'running')
      desk.at(0).fail(new Error('e'))
      await world.until('it failed', async () => (await world.row(queue, id)).status === 'failed')
      assert.equal(await others.remove(id), true)
      assert.equal(await others.remove(id), false)
      const delayed = await tasks.push('b', { delay: '1m' })
      assert.equal(await others.remove(delayed), true)
      await world.advance(120_000)
      assert.equal(desk.runs.length, 1)
      assert.deepEqual(await world.rows(queue), [])
    },
  },
  {
    number: 122,
    name: 'counts by status add up to what is stored; pages are stable while nothing changes',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue, { attempts: 2, backoff: () => '1h' })
      const desk = new Desk<number>()
      work(tasks, desk.handler, { concurrency: 8 })
      await tasks.pushBulk(Array.from({ length: 25 }, (_, index) => index))
      await world.until('eight run', () => desk.open === 8)
      for (const run of desk.runs.slice(0, 3)) run.finish(undefined)
      for (const run of desk.runs.slice(3, 5)) run.fail(new Error('e'))
      await world.until('others run', () => desk.runs.length === 13)
      const delayed = await tasks.push(99, { delay: '1h' })
      await tasks.kill(delayed)
      await world.until('five are settled', async () => (await world.counts(queue)).failed === 2)
      await world.quiet()
      const { pending, running, done, failed, killed, due } = await tasks.metrics()
      assert.deepEqual([pending, running, done, failed, killed, due], [12, 8, 3, 2, 1, 12])
      assert.equal(pending + running + done + failed + killed, (await world.rows(queue)).length)
      const all: string[] = []
      for (let page = 1; ; page += 1) {
        const listed = await tasks.listTasks({ page, pageSize: 7 })
        all.push(...listed.map(({ parts }) => parts.taskId))
        if (listed.length < 7) break
      }
      assert.deepEqual(
        all,
        (await world.rows(queue)).map(({ id }) => id),
      )
      for (const [status, count] of Object.entries({ pending, running, done, failed, killed })) {
        const listed = await tasks.listTasks({
          // The keys are those five.
          status: status as 'pending',
          pageSize: 100,
        })
        assert.equal(listed.length, count, status)
        assert.ok(listed.every(({ parts }) => parts.status === status))
      }
      assert.deepEqual(await tasks.listTasks({ status: 'queued' }), [])
    },
  },
  {
    name: 'update changes what a waiting task is given; of others it is false',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const id = await tasks.push('old', { delay: '1h', metadata: { a: 1 } })
      assert.equal(
        await tasks.update(id, { args: 'new', priority: 3, metadata: { b: 2 }, delay: 0 }),
        true,
      )
      await assert.rejects(storage.queue<unknown>(queue).update(id, { args: 1n }), (error) =>
        hasCode(error, 'ERR_ENCODE'),
      )
      const notes = new Notes<string>()
      work(tasks, (args, request) => {
        assert.deepEqual(request.metadata, { b: 2 })
        assert.equal(request.task.parts.context.priority, 3)
        return notes.handler(args, request)
      })
      await world.within(1_000, 'it ran', async () => (await world.counts(queue)).done === 1)
      assert.deepEqual(notes.args, ['new'])
      assert.equal(await tasks.update(id, { args: 'late' }), false)
      assert.equal(await tasks.update('nobody', { args: 'late' }), false)
    },
  },
  {
    name: 'workers that are not ours are registered and listed; queues are listed with their state',
    async run(world) {
      const { storage } = await world.process()
      const tasks = storage.queue<string>(queue)
      await tasks.registerWorker({ id: 'x-1', name: 'external', lease: '1m', layers: ['own'] })
      const [worker] = await tasks.listWorkers()
      assert.ok(worker)
      assert.deepEqual(
        [worker.id, worker.name, worker.queue, worker.leaseMs, worker.live, worker.held],
        ['x-1', 'external', queue, 60_000, true, 0],
      )
      assert.deepEqual(worker.layers, ['own'])
      await world.advance(70_000, { step: 10_000 })
      assert.deepEqual(
        (await storage.listWorkers()).map(({ live }) => live),
        [false],
      )
      await tasks.push('a')
      await storage.queue<string>('paused').pause()
      const queues = await tasks.listQueues()
      assert.deepEqual(
        queues.toSorted((one, other) => one.name.localeCompare(other.name)),
        [
          { name: 'paused', paused: true },
          { name: queue, paused: false },
        ],
      )
    },
  },
]
