import assert from 'node:assert/strict'
import { json } from '../../codec/json.ts'
import { isLeaseLostError } from '../../errors/task-errors.ts'
import { isUnknownOutcomeError } from '../../errors/backend-errors.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Notes, pending } from './kit.ts'
import { queue, settlement } from './store-kit.ts'
import { claiming, settling } from '../wire.ts'

/** Lease, crash, fencing: 40 to 43, 47, 48, 50. What both sides agree on is in reconciliation.ts. */
export const leaseCases: readonly CaseDefinition[] = [
  {
    number: 40,
    name: 'a worker dies with a task: another runs it once, after the lease and not before',
    async run(world) {
      const dying = await world.process()
      const other = await world.process()
      const desk = new Desk<string>()
      const notes = new Notes<string>()
      const id = await dying.storage.queue<string>(queue).push('a')
      dying.work(dying.storage.queue<string>(queue), desk.handler)
      await world.until('it runs', () => desk.open === 1)
      other.work(other.storage.queue<string>(queue), notes.handler)
      await world.quiet()
      dying.die()
      await world.advance(25_000)
      assert.deepEqual(notes.args, [])
      assert.equal((await world.row(queue, id)).status, 'running')
      await world.within(20_000, 'another runs it', () => notes.args.length === 1)
      desk.at(0).finish('zombie')
      await world.advance(60_000)
      assert.equal(notes.args.length, 1)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.attempt, row.rescues, row.epoch], ['done', 1, 1, 2])
      assert.deepEqual(notes.attempts, [1])
    },
  },
  {
    number: 41,
    name: 'a task ten times longer than the lease is never taken while its worker beats',
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const desk = new Desk<string>()
      const id = await one.storage.queue<string>(queue).push('a')
      one.work(one.storage.queue<string>(queue), desk.handler)
      await world.until('it runs', () => desk.open === 1)
      other.work(other.storage.queue<string>(queue), desk.handler)
      await world.advance(300_000)
      assert.equal(desk.runs.length, 1)
      assert.equal(desk.at(0).signal.aborted, false)
      desk.at(0).finish(undefined)
      await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
      const { rescues, epoch } = await world.row(queue, id)
      assert.deepEqual([rescues, epoch], [0, 1])
    },
  },
  {
    number: 42,
    name: 'a blocked process loses its task, and what it ends with later changes nothing: the new result stays',
    async run(world) {
      const blocked = await world.process()
      const other = await world.process()
      const options = { result: json<string>() }
      const first = new Desk<string, string>()
      const second = new Desk<string, string>()
      const tasks = blocked.storage.queue<string, string>(queue, options)
      const [id = ''] = await tasks.pushBulk(['a'])
      const worker = blocked.work(tasks, first.handler)
      await world.until('it runs', () => first.open === 1)
      other.work(other.storage.queue<string, string>(queue, options), second.handler)
      await world.quiet()
      blocked.freeze()
      await world.within(60_000, 'another runs it', () => second.open === 1)
      second.at(0).finish('new')
      await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
      first.at(0).finish('old')
      blocked.thaw()
      await world.advance(30_000)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.result, row.rescues, row.epoch], ['done', '"new"', 1, 2])
      assert.equal(eventsOf(worker, 'lost').length, 1)
      assert.deepEqual(eventsOf(worker, 'success'), [])
      await tasks.push('b')
      await world.within(10_000, 'the blocked process works again', () =>
        [...first.args, ...second.args].includes('b'),
      )
    },
  },
  {
    number: 42,
    name: 'a process that was blocked while its task runs elsewhere aborts its own run and does not disturb the other',
    async run(world) {
      const blocked = await world.process()
      const other = await world.process()
      const first = new Desk<string>()
      const second = new Desk<string>()
      const id = await blocked.storage.queue<string>(queue).push('a')
      const worker = blocked.work(blocked.storage.queue<string>(queue), first.handler, {
        concurrency: 1,
      })
      await world.until('it runs', () => first.open === 1)
      other.work(other.storage.queue<string>(queue), second.handler, { concurrency: 1 })
      await world.quiet()
      blocked.freeze()
      await world.within(60_000, 'another runs it', () => second.open === 1)
      blocked.thaw()
      await world.until('the old run is aborted', () => first.at(0).signal.aborted)
      assert.ok(isLeaseLostError(first.at(0).signal.reason))
      first.at(0).fail(new Error('a late failure'))
      await world.advance(30_000)
      assert.deepEqual(
        eventsOf(worker, 'lost').map(({ reason }) => reason),
        ['lease'],
      )
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.epoch, row.errors], ['running', 2, []])
      assert.equal(second.at(0).signal.aborted, false)
      second.at(0).finish(undefined)
      await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
    },
  },
  {
    number: 43,
    name: 'who does not hold the claim can settle nothing, by another epoch or another worker',
    async run(world) {
      const { storage, work } = await world.process()
      const desk = new Desk<string>()
      const id = await storage.queue<string>(queue).push('a')
      const worker = work(storage.queue<string>(queue), desk.handler)
      await world.until('it runs', () => desk.open === 1)
      const store = await world.store()
      const before = await world.row(queue, id)
      const stranger = { id: 'stranger', queue }
      await store.register({ ...stranger, name: 'worker', leaseMs: 30_000, layers: [] })
      const { epoch } = before
      const error = { name: 'Error', message: 'not yours' }
      for (const [who, of] of [
        [stranger, epoch],
        [{ id: worker.context.id, queue }, epoch + 1],
        [{ id: worker.context.id, queue }, epoch - 1],
      ] as const) {
        assert.deepEqual(
          await store.settle(who, [
            settlement({ id, epoch: of }),
            settlement({ id, epoch: of }, { type: 'failed', error, retryInMs: 0 }),
            settlement({ id, epoch: of }, { type: 'killed', error }),
            settlement({ id, epoch: of }, { type: 'released', dueInMs: 0 }),
          ]),
          ['stale', 'stale', 'stale', 'stale'],
        )
      }
      assert.deepEqual(await world.row(queue, id), before)
      desk.at(0).finish(undefined)
      await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
    },
  },
  {
    number: 47,
    name: 'beats fail: signals abort with LeaseLostError before the lease ends, nothing is written, and the worker goes on by itself',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      const incarnation = worker.context.id
      const heal = wire.refuse(['beat', 'settle', 'exchange', 'claim', 'leave', 'register'])
      await world.advance(20_000)
      assert.equal(desk.at(0).signal.aborted, false)
      await world.advance(8_000)
      assert.equal(desk.at(0).signal.aborted, true, 'trust ends a sixth before the lease')
      assert.ok(isLeaseLostError(desk.at(0).signal.reason))
      assert.deepEqual(
        eventsOf(worker, 'lost').map(({ reason, task }) => [reason, task.parts.taskId]),
        [['lease', id]],
      )
      const calls = wire.calls.length
      desk.at(0).finish(undefined)
      await world.quiet()
      heal()
      await world.within(15_000, 'it runs again', () => desk.runs.length === 2)
      const writes = wire.calls
        .slice(calls)
        .filter(({ operation }) => ['settle', 'exchange', 'leave', 'register'].includes(operation))
      const [first] = writes.filter(({ operation }) => operation !== 'register')
      assert.equal(first?.operation, 'leave', 'the first write takes leave of the old incarnation')
      assert.deepEqual(idOf(first?.args[0]), incarnation)
      assert.notEqual(worker.context.id, incarnation)
      assert.equal(worker.context.state, 'running')
      desk.at(1).finish(undefined)
      await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
      const row = await world.row(queue, id)
      assert.deepEqual([row.attempt, row.rescues], [1, 0], "an outage is nobody's death")
      assert.deepEqual(row.errors, [])
    },
  },
  {
    number: 47,
    name: 'what a claim brings after its lease was lost does not run under it',
    async run(world) {
      const { storage, wire, work } = await world.process({ lease: '3s' })
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      work(tasks, desk.handler)
      await world.quiet()
      const late = wire.hold(claiming, 'after', 1)
      const id = await tasks.push('a')
      await world.until('it is claimed', () => late.count === 1)
      const heal = wire.refuse(['beat', 'leave'])
      await world.advance(3_500)
      late.letGo()
      await world.quiet()
      assert.deepEqual(desk.runs, [])
      heal()
      await world.within(30_000, 'it runs', () => desk.runs.length > 0)
      desk.at(0).finish(undefined)
      await world.within(5_000, 'it is done', async () => {
        return (await world.row(queue, id)).status === 'done'
      })
      await world.advance(10_000)
      assert.equal(desk.runs.length, 1)
      assert.deepEqual((await world.row(queue, id)).epoch, 2)
    },
  },
  {
    number: 48,
    name: 'the storage fails for a while: every call is tried again, nothing is lost, nothing runs twice',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const desk = new Desk<number>()
      const all = Array.from({ length: 10 }, (_, index) => index)
      await tasks.pushBulk(all)
      const worker = work(tasks, desk.handler, { concurrency: 4 })
      await world.until('four run', () => desk.open === 4)
      const heal = wire.refuse(['beat', 'settle', 'exchange', 'claim', 'listen', 'get'])
      desk.at(0).finish(undefined)
      desk.at(1).fail(new Error('an error of its own'))
      await world.advance(12_000)
      assert.ok(
        worker.events.some((event) => event.type === 'error' && 'operation' in event),
        'failures are told',
      )
      heal()
      await world.within(15_000, 'it goes on', () => desk.runs.length > 4)
      await world.within(60_000, 'all are done', async () => {
        for (const run of desk.runs) run.finish(undefined)
        return (await world.counts(queue)).done === 10
      })
      // Each once, and the one that failed once more.
      assert.deepEqual(
        desk.args.toSorted((one, other) => one - other),
        [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      )
      assert.equal(worker.context.state, 'running')
      assert.equal(eventsOf(worker, 'success').length, 10)
    },
  },
  {
    number: 50,
    name: 'a worker started again under its name within the lease is another: it takes nothing before, and all once after',
    async run(world) {
      const dying = await world.process()
      const desk = new Desk<string>()
      await dying.storage.queue<string>(queue).push('a')
      const first = dying.work(dying.storage.queue<string>(queue), desk.handler, { name: 'same' })
      await world.until('it runs', () => desk.open === 1)
      dying.die()
      const again = await world.process()
      const notes = new Notes<string>()
      const second = again.work(again.storage.queue<string>(queue), notes.handler, { name: 'same' })
      assert.notEqual(first.context.id, second.context.id)
      await world.advance(20_000)
      assert.deepEqual(notes.args, [])
      await world.within(40_000, 'it is run', () => notes.args.length === 1)
      await world.advance(60_000)
      assert.equal(notes.args.length, 1)
    },
  },
  {
    name: 'a process that was blocked for longer than its trust writes nothing more, though its lease still lives',
    async run(world) {
      const blocked = await world.process()
      const { storage, work, wire } = blocked
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler)
      await world.until('it runs', () => desk.open === 1)
      await world.quiet()
      blocked.freeze()
      await world.advance(26_500, { step: 26_500 })
      const settles = wire.count(settling)
      desk.at(0).finish(undefined)
      // The handler's end is looked at before any timer fires.
      await world.quiet()
      blocked.thaw()
      await world.within(15_000, 'it runs again', () => desk.runs.length === 2)
      assert.equal(wire.count(settling), settles)
      assert.deepEqual(
        eventsOf(worker, 'lost').map(({ reason }) => reason),
        ['lease'],
      )
      desk.at(1).finish(undefined)
      await world.until('it is done', async () => (await world.row(queue, id)).status === 'done')
      const { attempt, rescues } = await world.row(queue, id)
      assert.deepEqual([attempt, rescues], [1, 0])
    },
  },
  {
    name: 'a claim that is answered after its lease was lost starts nothing: what it brought is given back, and runs once',
    async run(world) {
      const { storage, wire, work } = await world.process({ callTimeout: '60s' })
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const worker = work(tasks, desk.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      const claim = wire.hold(claiming, 'after', 1)
      const id = await tasks.push('a')
      await world.until('it claims', () => claim.count === 1)
      wire.hold('beat', 'before', 1)
      const lost = worker.context.id
      await world.advance(26_000)
      claim.letGo()
      await world.within(10_000, 'it runs', () => desk.runs.length > 0)
      const { lockedBy, epoch } = await world.row(queue, id)
      assert.notEqual(lockedBy, lost)
      assert.deepEqual([lockedBy, epoch], [worker.context.id, 2])
      await world.advance(5_000)
      assert.equal(desk.runs.length, 1)
    },
  },
  {
    name: 'a call that never ends is given up after a while, told, and made again',
    async run(world) {
      const { storage, wire, work } = await world.process({ callTimeout: '5s' })
      const tasks = storage.queue<string>(queue)
      const notes = new Notes<string>()
      const worker = work(tasks, notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      const claim = wire.hold(claiming, 'before', 1)
      await tasks.push('a')
      await world.until('it claims', () => claim.count === 1)
      await world.within(10_000, 'it ran', () => notes.args.length === 1)
      assert.ok(worker.events.some((event) => 'operation' in event && event.operation === 'claim'))
      const settle = wire.hold(settling, 'before', 1)
      await tasks.push('b')
      await world.until('it settles', () => settle.count === 1)
      await world.within(
        10_000,
        'both are done',
        async () => (await world.counts(queue)).done === 2,
      )
      const insert = wire.hold('insert', 'before', 1)
      const push = pending(tasks.push('c'))
      await world.within(6_000, 'the push is given up', () => push.over)
      await assert.rejects(push.promise, isUnknownOutcomeError)
      insert.letGo()
      claim.letGo()
      settle.letGo()
      await world.advance(15_000)
      assert.deepEqual(notes.args.slice(0, 2), ['a', 'b'])
      assert.ok((await world.rows(queue)).every(({ status }) => status === 'done'))
    },
  },
]

function idOf(worker: unknown): unknown {
  return typeof worker === 'object' && worker !== null && 'id' in worker ? worker.id : undefined
}
