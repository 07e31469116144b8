import assert from 'node:assert/strict'
import { isTaskKilledError, isTimeoutError } from '../../errors/task-errors.ts'
import { constant } from '../../task/backoff.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Failing, failures, layerOf, Notes } from './kit.ts'
import { queue } from './store-kit.ts'

/** Cancellation and timeout: 52 to 57. */
export const cancelCases: readonly CaseDefinition[] = [
  {
    number: 52,
    name: 'a waiting, delayed or retrying task that is killed never runs (again)',
    async run(world) {
      const { storage, work } = await world.process()
      const admin = await world.process()
      const tasks = storage.queue<string>(queue, { backoff: constant('1m') })
      const failing = new Failing()
      const retrying = await tasks.push('retrying')
      const worker = work(tasks, failing.handler)
      await world.until('it failed', () => failures(worker, 'failed').length === 1)
      worker.context.pause()
      // A claim that was under way would bring what is pushed next, and give it back.
      await world.quiet()
      const waiting = await tasks.push('waiting')
      const delayed = await tasks.push('delayed', { delay: '1m' })
      const others = admin.storage.queue<string>(queue)
      for (const id of [waiting, delayed, retrying]) {
        assert.equal(await others.kill(id, 'no longer wanted'), true)
        const row = await world.row(queue, id)
        assert.equal(row.status, 'killed')
        assert.match(row.errors.at(-1)?.message ?? '', /no longer wanted/)
        assert.equal(row.attempt, id === retrying ? 1 : 0)
      }
      worker.context.resume()
      await world.advance(120_000)
      assert.equal(failing.calls, 1)
    },
  },
  {
    number: 53,
    name: 'a running task that another process kills: killed at once, its signal aborts, no retry',
    async run(world) {
      const holder = await world.process()
      const admin = await world.process()
      const tasks = holder.storage.queue<string>(queue, { attempts: 5 })
      const desk = new Desk<string>()
      const id = await tasks.push('a')
      const worker = holder.work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      assert.equal(await admin.storage.queue<string>(queue).kill(id, new Error('the reason')), true)
      const row = await world.row(queue, id)
      assert.equal(row.status, 'killed')
      assert.ok(
        row.errors.some(
          ({ message, cause }) =>
            message.includes('the reason') || cause?.message.includes('the reason') === true,
        ),
        'the reason is kept',
      )
      await world.within(1_000, 'its signal aborts', () => desk.at(0).signal.aborted)
      assert.ok(isTaskKilledError(desk.at(0).signal.reason))
      desk.at(0).fail(desk.at(0).signal.reason)
      await world.advance(60_000)
      assert.equal(desk.runs.length, 1)
      assert.deepEqual(await world.row(queue, id), row)
      assert.deepEqual(
        eventsOf(worker, 'lost').map(({ reason, task }) => [reason, task.parts.taskId]),
        [['cancelled', id]],
      )
      assert.deepEqual(failures(worker), [])
    },
  },
  {
    number: 54,
    name: 'a handler that ignores the signal: killed all the same, its slot is free, what it ends with is discarded',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler, { concurrency: 1 })
      await world.until('it runs', () => desk.open === 1)
      await tasks.push('b')
      assert.equal(await tasks.kill(id), true)
      await world.within(1_000, 'the next runs', () => desk.runs.length === 2)
      await world.within(
        3_000,
        'it is told as leaked',
        () => eventsOf(worker, 'leaked').length === 1,
      )
      assert.equal(eventsOf(worker, 'leaked')[0]?.task.parts.taskId, id)
      const before = await world.row(queue, id)
      desk.at(0).finish('late')
      await world.advance(20_000)
      assert.deepEqual(await world.row(queue, id), before)
      assert.equal(before.status, 'killed')
      assert.deepEqual(eventsOf(worker, 'success'), [])
      desk.at(1).finish(undefined)
      await world.until('the next is done', () => eventsOf(worker, 'success').length === 1)
    },
  },
  {
    number: 55,
    name: 'kill of an unknown or finished task is false, and nothing happens',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const notes = new Notes<string>()
      const worker = work(tasks, notes.handler)
      const done = await tasks.push('a')
      await world.until('it is done', async () => (await world.counts(queue)).done === 1)
      const killed = await tasks.push('b', { delay: '1h' })
      assert.equal(await tasks.kill(killed), true)
      await world.quiet()
      const [events, rows] = [worker.events.length, await world.rows(queue)]
      for (const id of ['nobody', done, killed]) assert.equal(await tasks.kill(id), false)
      await world.quiet()
      assert.deepEqual(await world.rows(queue), rows)
      assert.equal(worker.events.length, events)
    },
  },
  {
    number: 56,
    name: 'kill and completion at the same time: one end, one event, and `kill` says which',
    async run(world) {
      const holder = await world.process()
      const admin = await world.process()
      const tasks = holder.storage.queue<number>(queue)
      const others = admin.storage.queue<number>(queue)
      const desk = new Desk<number>()
      const worker = holder.work(tasks, desk.handler, { concurrency: 60 })
      const pushed = await tasks.pushBulk(Array.from({ length: 60 }, (_, index) => index))
      await world.until('all run', () => desk.open === 60)
      // Three orders: kill first, end first, and end while the kill is under way.
      const answers = await Promise.all(
        pushed.map(async (id, index) => {
          const run = desk.runs.find(({ args }) => args === index)
          if (index % 3 === 1) run?.finish(undefined)
          if (index % 6 === 4) await Promise.resolve()
          const killing = others.kill(id)
          if (index % 3 === 2) await Promise.resolve()
          if (index % 3 !== 1) run?.finish(undefined)
          return killing
        }),
      )
      await world.within(15_000, 'all are told', () => {
        const told = eventsOf(worker, 'success').length + eventsOf(worker, 'lost').length
        return told >= 60
      })
      await world.advance(15_000)
      for (const [index, id] of pushed.entries()) {
        const row = await world.row(queue, id)
        assert.equal(row.status, answers[index] === true ? 'killed' : 'done')
        const told = worker.events
          .filter((event) => 'task' in event && event.task.parts.taskId === id)
          .map(({ type }) => type)
        assert.deepEqual(told, ['engage', row.status === 'done' ? 'success' : 'lost'])
      }
    },
  },
  {
    number: 57,
    name: 'the run timeout: the signal aborts, the attempt fails and is retried, the slot is free, the late result is ignored',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 2, backoff: constant('1m') })
      const desk = new Desk<string>()
      const id = await tasks.push('slow', { timeout: '10s' })
      const worker = work(tasks, desk.handler, { concurrency: 1 })
      await world.until('it runs', () => desk.open === 1)
      await tasks.push('next')
      await world.advance(8_000)
      assert.equal(desk.at(0).signal.aborted, false)
      assert.equal(desk.runs.length, 1)
      await world.within(4_000, 'the signal aborts', () => desk.at(0).signal.aborted)
      assert.ok(isTimeoutError(desk.at(0).signal.reason))
      // No time passes, so no grace: the slot is free at once.
      await world.until('the next runs', () => desk.runs.length === 2)
      assert.equal(desk.at(1).args, 'next')
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.attempt], ['failed', 1])
      assert.equal(row.errors[0]?.code, 'ERR_TASK_TIMEOUT')
      await world.within(
        3_000,
        'it is told as leaked',
        () => eventsOf(worker, 'leaked').length === 1,
      )
      desk.at(0).finish('late')
      await world.quiet()
      assert.deepEqual(await world.row(queue, id), row)
      desk.at(1).finish(undefined)
      await world.within(70_000, 'it runs again', () => desk.runs.length === 3)
      await world.within(
        12_000,
        'its attempts are used up',
        () => failures(worker, 'killed').length === 1,
      )
      assert.deepEqual(
        failures(worker).map(({ outcome, error }) => [outcome, isTimeoutError(error)]),
        [
          ['failed', true],
          ['killed', true],
        ],
      )
    },
  },
  {
    name: 'taken from its worker, or killed and retried, and claimed again by the same one before that hears of it: only the old run is lost',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const admin = await world.process()
      const tasks = storage.queue<string>(queue)
      const others = admin.storage.queue<string>(queue)
      const desk = new Desk<string>()
      const worker = work(tasks, desk.handler, { concurrency: 5 })
      const taken = await tasks.push('taken')
      const killed = await tasks.push('killed')
      await world.until('both run', () => desk.open === 2)
      await world.quiet()
      wire.deafen()
      await others.resumeById(taken)
      await others.kill(killed)
      await others.retry(killed)
      await tasks.push('next')
      await world.until('both run again', () => desk.runs.length === 5)
      await world.within(
        12_000,
        'the old runs are lost',
        () => eventsOf(worker, 'lost').length === 2,
      )
      const aborted = desk.runs.map(({ signal }) => signal.aborted)
      assert.deepEqual(aborted, [true, true, false, false, false])
      for (const run of desk.runs.slice(2)) run.finish(undefined)
      await world.within(1_000, 'all are done', async () => (await world.counts(queue)).done === 3)
    },
  },
  {
    name: 'killed while a layer still holds it: the handler never begins',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const open = Promise.withResolvers<void>()
      let held = 0
      const holding = layerOf('holding', (inner) => ({
        async call(request) {
          held += 1
          await open.promise
          return inner.call(request)
        },
      }))
      const notes = new Notes<string>()
      const id = await tasks.push('a')
      const worker = work(tasks, notes.handler, { concurrency: 1, layers: [holding] })
      await world.until('the layer holds it', () => held === 1)
      await tasks.kill(id)
      await world.until('it is lost', () => eventsOf(worker, 'lost').length === 1)
      open.resolve()
      await tasks.push('b')
      await world.within(5_000, 'the next ran', () => notes.args.length > 0)
      assert.deepEqual(notes.args, ['b'])
      assert.equal((await world.row(queue, id)).status, 'killed')
    },
  },
]
