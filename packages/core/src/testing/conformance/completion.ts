import assert from 'node:assert/strict'
import { json } from '../../codec/json.ts'
import { isLeaseLostError, isTaskKilledError } from '../../errors/task-errors.ts'
import type { TaskRequest } from '../../service/service.ts'
import type { QueueOptions } from '../../storage/queue-options.ts'
import type { QueueContext } from '../../task/task.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, failures, Notes, pending, type Run } from './kit.ts'
import { queue } from './store-kit.ts'

const options: QueueOptions<string, string, number> = {
  result: json<number>(),
  backoff: () => 1_000,
}

/** The request of a run of a queue's task. */
function requestOf(run: Run<string, number>): TaskRequest<string, unknown, QueueContext> {
  // A desk does not ask what its worker's tasks come with.
  return run.request as TaskRequest<string, unknown, QueueContext>
}

/** Settling inside the caller's transaction: 8. */
export const completionCases: readonly CaseDefinition[] = [
  {
    number: 8,
    name: 'a task that its handler ends inside its own transaction is done with that, whoever waits hears of it, and the claim is not taken for lost while the handler goes on',
    needs: ['transactions'],
    async run(world) {
      const { storage, work } = await world.process()
      const other = await world.process()
      // A storage with one writer cannot be opened while the transaction is.
      await world.store()
      const tasks = storage.queue(queue, options)
      const desk = new Desk<string, number>()
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler)
      await world.until('it runs', () => desk.runs.length === 1)
      const waiting = pending(other.storage.queue(queue, options).result(id))
      await world.quiet()
      const { tx, commit } = await world.begin()
      const effect = await storage.queue<string>('effects').within(tx).push('effect')
      assert.equal(await tasks.settleWithin(tx).done(requestOf(desk.at(0)), 7), 7)
      assert.equal((await world.row(queue, id)).status, 'running')
      assert.deepEqual(await world.rows('effects'), [])
      await commit()
      assert.equal((await world.row('effects', effect)).status, 'pending')
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.result], ['done', '7'])
      await world.within(10_000, 'whoever waits is told', () => waiting.over)
      assert.equal(await waiting.promise, 7)
      await world.advance(60_000)
      assert.equal(desk.at(0).signal.aborted, false)
      assert.deepEqual(eventsOf(worker, 'success'), [])
      const [holder] = await (await world.store()).workers(queue)
      assert.deepEqual([holder?.id, holder?.held], [worker.context.id, 0])
      desk.at(0).finish(7)
      await world.until('the success is told', () => eventsOf(worker, 'success').length > 0)
      assert.deepEqual(eventsOf(worker, 'success')[0]?.result, 7)
      assert.deepEqual(eventsOf(worker, 'lost'), [])
      const { pending: left, running, done } = await world.counts(queue)
      assert.deepEqual([left, running, done, desk.runs.length], [0, 0, 1, 1])
    },
  },
  {
    number: 8,
    name: 'what a handler rolls back has not ended its task: it fails, and runs again',
    needs: ['transactions'],
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue(queue, options)
      const desk = new Desk<string, number>()
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler)
      await world.until('it runs', () => desk.runs.length === 1)
      const { tx, rollback } = await world.begin()
      await storage.queue<string>('effects').within(tx).push('effect')
      await tasks.settleWithin(tx).done(requestOf(desk.at(0)), 7)
      await rollback()
      await world.advance(30_000)
      assert.equal(desk.at(0).signal.aborted, false, 'it is still held')
      desk.at(0).fail(new Error('rolled back'))
      await world.within(10_000, 'it runs again', () => desk.runs.length === 2)
      desk.at(1).finish(8)
      await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
      const row = await world.row(queue, id)
      assert.deepEqual([row.attempt, row.result], [2, '8'])
      assert.deepEqual(await world.rows('effects'), [])
      assert.equal(failures(worker, 'failed').length, 1)
    },
  },
  {
    number: 8,
    name: 'a handler that throws after it has committed the end of its task changes nothing, and its error is told',
    needs: ['transactions'],
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue(queue, options)
      const desk = new Desk<string, number>()
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler)
      await world.until('it runs', () => desk.runs.length === 1)
      const { tx, commit } = await world.begin()
      const completion = tasks.settleWithin(tx)
      assert.equal(await completion.done(requestOf(desk.at(0)), 7), 7)
      // It is done with the first result, whatever the handler makes of it afterwards.
      assert.equal(await completion.done(requestOf(desk.at(0)), 8), 7)
      await commit()
      const late = new Error('late')
      desk.at(0).fail(late)
      await world.until('the success is told', () => eventsOf(worker, 'success').length > 0)
      await world.advance(60_000)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.result, row.errors], ['done', '7', []])
      assert.deepEqual([desk.runs.length, eventsOf(worker, 'success')[0]?.result], [1, 7])
      const errors = eventsOf(worker, 'error').map((event) => event.error)
      assert.deepEqual([errors, eventsOf(worker, 'lost')], [[late], []])
    },
  },
  {
    number: 8,
    name: 'a task that was killed or taken meanwhile cannot be ended inside a transaction',
    needs: ['transactions'],
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue(queue, options)
      const store = await world.store()
      const desk = new Desk<string, number>()
      const [killed = '', taken = ''] = await tasks.pushBulk(['killed', 'taken'])
      const worker = work(tasks, desk.handler, { concurrency: 2 })
      await world.until('both run', () => desk.runs.length === 2)
      worker.context.pause()
      // Whether the worker has heard of it by now or not.
      await store.kill(queue, killed, { name: 'TaskKilledError', message: 'enough' })
      await store.take(queue, taken)
      const { tx, rollback } = await world.begin()
      const completion = tasks.settleWithin(tx)
      await assert.rejects(completion.done(requestOf(desk.at(0)), 1), isTaskKilledError)
      await assert.rejects(completion.done(requestOf(desk.at(1)), 1), isLeaseLostError)
      await rollback()
      assert.equal((await world.row(queue, killed)).status, 'killed')
      assert.equal((await world.row(queue, taken)).status, 'pending')
      desk.at(0).fail(new Error('stopped'))
      desk.at(1).fail(new Error('stopped'))
      await world.within(30_000, 'both are lost', () => eventsOf(worker, 'lost').length === 2)
      const reasons = eventsOf(worker, 'lost').map(({ reason }) => reason)
      assert.deepEqual(reasons.toSorted(), ['cancelled', 'taken'])
      assert.deepEqual(eventsOf(worker, 'success'), [])
    },
  },
  {
    number: 8,
    name: 'only the request of a run of the queue ends a task inside a transaction',
    needs: ['transactions'],
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue(queue, options)
      const others = storage.queue('others', options)
      const desk = new Desk<string, number>()
      await others.push('a')
      work(others, desk.handler)
      await world.until('it runs', () => desk.runs.length === 1)
      const { tx, commit } = await world.begin()
      const { task, signal } = requestOf(desk.at(0))
      const made = { task: { args: task.args, parts: { ...task.parts } }, signal }
      for (const request of [requestOf(desk.at(0)), made, {}, undefined]) {
        await assert.rejects(
          // JavaScript gives anything.
          tasks.settleWithin(tx).done(request as TaskRequest<string, unknown, QueueContext>, 1),
          { code: 'ERR_OPTION' },
        )
      }
      assert.throws(() => tasks.settleWithin(undefined as typeof tx), { code: 'ERR_OPTION' })
      await commit()
      assert.equal((await world.row('others', task.parts.taskId)).status, 'running')
    },
  },
  {
    number: 8,
    name: 'a worker that dies after its handler has committed the end of a task leaves nothing to rescue',
    needs: ['transactions'],
    async run(world) {
      const dying = await world.process()
      const living = await world.process()
      const tasks = dying.storage.queue(queue, options)
      const desk = new Desk<string, number>()
      const id = await tasks.push('a')
      dying.work(tasks, desk.handler)
      await world.until('it runs', () => desk.runs.length === 1)
      const { tx, commit } = await world.begin()
      await tasks.settleWithin(tx).done(requestOf(desk.at(0)), 7)
      await commit()
      dying.die()
      const notes = new Notes<string>()
      const watcher = living.work(living.storage.queue<string>(queue), notes.handler)
      await world.advance(120_000)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.result, row.rescues, notes.args], ['done', '7', 0, []])
      assert.deepEqual(eventsOf(watcher, 'error'), [])
      assert.equal((await world.counts(queue)).running, 0)
      const beat = await (await world.store()).beat({ id: watcher.context.id, queue })
      assert.equal(beat.rescueIn, undefined)
      const before = living.wire.activity
      await world.advance(60_000)
      const beats = living.wire.activity - before
      assert.ok(beats <= 30, `nobody looks for what is not there, but there were ${beats} calls`)
    },
  },
  {
    number: 8,
    name: 'transactions in which handlers end their tasks hold up neither each other nor anybody else',
    needs: ['transactions', 'concurrent-transactions'],
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue(queue, options)
      const desk = new Desk<string, number>()
      const ids = await tasks.pushBulk(['a', 'b', 'c', 'd'])
      const worker = work(tasks, desk.handler, { concurrency: 4 })
      await world.until('all run', () => desk.runs.length === 4)
      const [one, two] = [await world.begin(), await world.begin()]
      await tasks.settleWithin(one.tx).done(requestOf(desk.at(0)), 0)
      await tasks.settleWithin(two.tx).done(requestOf(desk.at(1)), 1)
      const waits = ids.map((id) => pending(tasks.result(id)))
      desk.at(2).finish(2)
      desk.at(3).fail(new Error('d fails'))
      await world.until('the others are settled', () => eventsOf(worker, 'success').length === 1)
      await world.until('in both ways', () => failures(worker, 'failed').length === 1)
      await world.until('who waits for them is told', () => waits[2]?.over === true)
      // Beats, claims and signals go on.
      await world.advance(30_000)
      assert.deepEqual(desk.args, ['a', 'b', 'c', 'd', 'd'])
      assert.deepEqual(eventsOf(worker, 'lost'), [])
      await two.commit()
      await one.rollback()
      for (const [at, result] of [0, 1].entries()) desk.at(at).finish(result)
      desk.at(4).finish(3)
      await world.within(10_000, 'all are done', () => waits.every(({ over }) => over))
      assert.deepEqual(await Promise.all(waits.map(({ promise }) => promise)), [0, 1, 2, 3])
      assert.deepEqual(desk.args, ['a', 'b', 'c', 'd', 'd'])
    },
  },
  {
    number: 8,
    name: 'a run that times out while its transaction is open ends as that does, and holds up nobody',
    needs: ['transactions', 'concurrent-transactions'],
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue(queue, { ...options, timeout: '5s' })
      const desk = new Desk<string, number>()
      const [kept = '', undone = ''] = await tasks.pushBulk(['kept', 'undone'])
      const worker = work(tasks, desk.handler, { concurrency: 3 })
      await world.until('both run', () => desk.runs.length === 2)
      const [one, two] = [await world.begin(), await world.begin()]
      await tasks.settleWithin(one.tx).done(requestOf(desk.at(0)), 0)
      await tasks.settleWithin(two.tx).done(requestOf(desk.at(1)), 1)
      await world.advance(10_000)
      assert.ok(desk.at(0).signal.aborted && desk.at(1).signal.aborted)
      const third = await tasks.push('third')
      await world.until('the third runs', () => desk.runs.length === 3)
      desk.at(2).finish(2)
      await world.until('it is done', async () => (await world.row(queue, third)).status === 'done')
      await one.commit()
      await two.rollback()
      await world.within(60_000, 'what was rolled back runs again', () => desk.runs.length === 4)
      assert.equal(desk.at(3).args, 'undone')
      desk.at(3).finish(3)
      await world.until(
        'that is done',
        async () => (await world.row(queue, undone)).status === 'done',
      )
      const row = await world.row(queue, kept)
      assert.deepEqual([row.status, row.result], ['done', '0'])
      assert.equal(eventsOf(worker, 'success').length, 2)
    },
  },
]
