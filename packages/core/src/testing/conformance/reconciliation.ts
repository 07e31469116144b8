import assert from 'node:assert/strict'
import { isTaskKilledError } from '../../errors/task-errors.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Notes } from './kit.ts'
import { ids, queue } from './store-kit.ts'
import { claiming, settling } from '../wire.ts'

/** Storage and worker come to agree on who holds what. */
export const reconciliationCases: readonly CaseDefinition[] = [
  {
    number: 134,
    name: 'a claim was applied and its answer lost: its tasks are given back within one beat, and run',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      wire.loseAnswer(claiming, 1)
      await tasks.pushBulk([1, 2, 3])
      const notes = new Notes<number>()
      work(tasks, notes.handler, { concurrency: 3 })
      await world.within(10_000, 'all ran', () => notes.args.length === 3)
      await world.quiet()
      assert.deepEqual(notes.args, [1, 2, 3], 'in their old order')
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ status, attempt, rescues, epoch }) => [status, attempt, rescues, epoch]),
        [
          ['done', 1, 0, 2],
          ['done', 1, 0, 2],
          ['done', 1, 0, 2],
        ],
      )
    },
  },
  {
    number: 134,
    name: 'also when nobody may claim them again: nothing is left running',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const store = await world.store()
      await tasks.pushBulk([1, 2, 3])
      wire.intercept(
        claiming,
        async (apply) => {
          await apply()
          assert.equal((await store.count(queue)).running, 3)
          await store.pause(queue, true)
          throw new Error('the connection was lost')
        },
        1,
      )
      const notes = new Notes<number>()
      const worker = work(tasks, notes.handler, { concurrency: 3 })
      await world.within(10_000, 'all are back', async () => {
        const { pending, running } = await store.count(queue)
        return pending === 3 && running === 0
      })
      assert.ok((await world.rows(queue)).every(({ attempt, rescues }) => attempt + rescues === 0))
      assert.deepEqual(notes.args, [])
      assert.equal(worker.context.taskCount, 0)
    },
  },
  {
    number: 134,
    name: 'after such a claim the next call is a beat, and no claim begins before its answer',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const notes = new Notes<number>()
      const worker = work(tasks, notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      await world.quiet()
      wire.loseAnswer(claiming, 1)
      const beat = wire.hold('beat', 'after', 1)
      const before = wire.calls.length
      await tasks.push(1)
      await world.within(9_000, 'it beats', () => beat.count === 1)
      await world.advance(5_000)
      const calls = wire.calls.slice(before).map(({ operation }) => operation)
      const [first, second, ...others] = calls.filter((operation) => operation !== 'insert')
      assert.ok(first === 'claim' || first === 'exchange')
      assert.equal(second, 'beat')
      assert.deepEqual(
        others.filter((operation) => operation === 'claim' || operation === 'exchange'),
        [],
      )
      beat.letGo()
      await world.within(10_000, 'it ran', () => notes.args.length === 1)
    },
  },
  {
    name: 'a claim that the worker does not know is given back by its beats',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const worker = work(tasks, desk.handler, { concurrency: 1 })
      await tasks.push('busy')
      await world.until('it is busy', () => desk.open === 1)
      const id = await tasks.push('unknown')
      const store = await world.store()
      const { rows } = await store.claim({ id: worker.context.id, queue }, 1, { suspects: 0 })
      assert.deepEqual(ids(rows), [id])
      await world.within(
        25_000,
        'it is back',
        async () => (await world.counts(queue)).pending === 1,
      )
      assert.equal((await world.row(queue, id)).attempt, 0)
      assert.equal(desk.at(0).signal.aborted, false, 'what it knows stays')
      assert.equal((await world.counts(queue)).running, 1)
    },
  },
  {
    name: 'a beat under way while tasks are claimed and end takes nothing from the worker',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const desk = new Desk<number>()
      const worker = work(tasks, desk.handler)
      await tasks.pushBulk([1, 2])
      await world.until('both run', () => desk.open === 2)
      const during = async (changes: () => Promise<void>): Promise<void> => {
        const beat = wire.hold('beat', 'after', 1)
        await world.within(15_000, 'it beats', () => beat.count === 1)
        await changes()
        const settles = wire.count(settling)
        beat.letGo()
        await world.quiet()
        assert.equal(wire.count(settling), settles, 'nothing is given back')
        assert.ok(desk.runs.every(({ signal }) => !signal.aborted))
      }
      await during(async () => {
        desk.at(0).finish(undefined)
        await world.until('one is done', async () => (await world.counts(queue)).done === 1)
      })
      await during(async () => {
        await tasks.push(3)
        await world.until('another runs', () => desk.runs.length === 3)
      })
      assert.deepEqual(eventsOf(worker, 'lost'), [])
      assert.equal((await world.counts(queue)).running, 2)
      await world.advance(30_000)
      desk.at(1).finish(undefined)
      desk.at(2).finish(undefined)
      await world.until('all are done', async () => (await world.counts(queue)).done === 3)
      assert.ok((await world.rows(queue)).every(({ epoch }) => epoch === 1))
    },
  },
  {
    name: 'a task taken with resumeById: the run is aborted and lost as taken, another runs it, attempt and place as before',
    async run(world) {
      const holder = await world.process()
      const admin = await world.process()
      const desk = new Desk<string>()
      const tasks = holder.storage.queue<string>(queue)
      const id = await tasks.push('a')
      const worker = holder.work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      const { runAt } = await world.row(queue, id)
      const other = admin.storage.queue<string>(queue)
      await other.pause()
      await world.quiet()
      assert.equal(await other.resumeById(id), true)
      assert.equal(await other.resumeById(id), false)
      assert.equal(await other.resumeById('nobody'), false)
      const row = await world.row(queue, id)
      assert.deepEqual(
        [row.status, row.attempt, row.rescues, row.releases, row.runAt],
        ['pending', 0, 0, 0, runAt],
      )
      await world.within(15_000, 'it is aborted', () => desk.at(0).signal.aborted)
      assert.deepEqual(
        eventsOf(worker, 'lost').map(({ reason }) => reason),
        ['taken'],
      )
      desk.at(0).finish(undefined)
      await world.advance(15_000)
      assert.equal((await world.row(queue, id)).status, 'pending')
      await other.resume()
      await world.within(10_000, 'it runs again', () => desk.runs.length === 2)
      assert.equal(desk.at(1).attempt, 1)
      desk.at(1).finish(undefined)
      await world.until('it is done', async () => (await world.counts(queue)).done === 1)
    },
  },
  {
    name: 'a settle whose answer was lost is repeated, counts as success, and is told once',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      wire.loseAnswer(settling, 1)
      await tasks.pushBulk([1, 2, 3])
      const notes = new Notes<number>()
      const worker = work(tasks, notes.handler, { concurrency: 3 })
      await world.within(30_000, 'all are told', () => eventsOf(worker, 'success').length === 3)
      await world.advance(30_000)
      assert.equal(eventsOf(worker, 'success').length, 3)
      assert.deepEqual(eventsOf(worker, 'lost'), [])
      assert.deepEqual(notes.args, [1, 2, 3])
      const rows = await world.rows(queue)
      assert.ok(rows.every(({ status, attempt }) => status === 'done' && attempt === 1))
    },
  },
  {
    name: 'where signals are lost, a beat tells the worker that its task was killed',
    async run(world) {
      const holder = await world.process()
      const admin = await world.process()
      holder.wire.deafen()
      const desk = new Desk<string>()
      const tasks = holder.storage.queue<string>(queue)
      const id = await tasks.push('a')
      const worker = holder.work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      assert.equal(await admin.storage.queue<string>(queue).kill(id), true)
      await world.within(12_000, 'it is aborted', () => desk.at(0).signal.aborted)
      assert.ok(isTaskKilledError(desk.at(0).signal.reason))
      assert.deepEqual(
        eventsOf(worker, 'lost').map(({ reason }) => reason),
        ['cancelled'],
      )
    },
  },
  {
    name: 'a beat that comes after a settle whose answer is still under way takes nothing either',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const desk = new Desk<number>()
      const worker = work(tasks, desk.handler)
      await tasks.push(1)
      await world.until('it runs', () => desk.open === 1)
      const beat = wire.hold('beat', 'before', 1)
      await world.within(15_000, 'it beats', () => beat.count === 1)
      const settle = wire.hold(settling, 'after', 1)
      desk.at(0).finish(undefined)
      await world.until('it is done', async () => (await world.counts(queue)).done === 1)
      beat.letGo()
      await world.quiet()
      settle.letGo()
      await world.until('its success is told', () => eventsOf(worker, 'success').length === 1)
      assert.deepEqual(eventsOf(worker, 'lost'), [])
    },
  },
  {
    name: 'a task that was taken and ends before the worker hears of it: told as lost, not as a success',
    async run(world) {
      const holder = await world.process()
      const admin = await world.process()
      holder.wire.deafen()
      const desk = new Desk<string>()
      const tasks = holder.storage.queue<string>(queue)
      const id = await tasks.push('a')
      const worker = holder.work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      const others = admin.storage.queue<string>(queue)
      await others.pause()
      assert.equal(await others.resumeById(id), true)
      desk.at(0).finish(undefined)
      await world.until('it is told', () => eventsOf(worker, 'lost').length === 1)
      assert.equal(eventsOf(worker, 'lost')[0]?.reason, 'taken')
      await world.advance(15_000)
      assert.deepEqual(
        [eventsOf(worker, 'lost').length, eventsOf(worker, 'success').length],
        [1, 0],
      )
      assert.equal((await world.row(queue, id)).status, 'pending')
    },
  },
]
