import assert from 'node:assert/strict'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Gate, Notes } from './kit.ts'
import { queue } from './store-kit.ts'
import { claiming } from '../wire.ts'

/** Who is woken by what, and who is not: 14, 15, 18, 126, 127. */
export const wakingCases: readonly CaseDefinition[] = [
  {
    number: 14,
    name: 'a push of another process wakes an idle worker long before it would look by itself',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      const notes = new Notes<string>()
      const worker = consumer.work(consumer.storage.queue<string>(queue), notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      await world.advance(15_000)
      await producer.storage.queue<string>(queue).push('a')
      await world.within(1_000, 'the worker woke', () => notes.args.length === 1)
    },
  },
  {
    number: 14,
    name: 'without signals the worker looks by itself',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      consumer.wire.refuse('listen')
      const notes = new Notes<string>()
      const worker = consumer.work(consumer.storage.queue<string>(queue), notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      await producer.storage.queue<string>(queue).push('a')
      await world.within(10_000, 'the worker found it', () => notes.args.length === 1)
    },
  },
  {
    number: 14,
    name: 'where signals are lost without a word, a beat tells what is due',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      consumer.wire.deafen()
      const notes = new Notes<string>()
      const worker = consumer.work(consumer.storage.queue<string>(queue), notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      await producer.storage.queue<string>(queue).push('a')
      await world.within(15_000, 'the worker found it', () => notes.args.length === 1)
    },
  },
  {
    number: 15,
    name: "a push to one queue neither wakes another queue's worker nor reaches it",
    async run(world) {
      const producer = await world.process()
      const one = await world.process()
      const other = await world.process()
      const right = new Notes<string>()
      const wrong = new Notes<string>()
      one.work(one.storage.queue<string>('right'), right.handler)
      const idle = other.work(other.storage.queue<string>('wrong'), wrong.handler)
      await world.until('both are idle', () => eventsOf(idle, 'idle').length === 1)
      await world.quiet()
      const before = other.wire.count(claiming)
      await producer.storage.queue<string>('right').push('a')
      await world.within(1_000, 'the right one ran it', () => right.args.length === 1)
      await world.quiet()
      assert.equal(other.wire.count(claiming), before)
      assert.deepEqual(wrong.args, [])
    },
  },
  {
    number: 18,
    name: 'idle is told once when the queue becomes empty, not at every look',
    async run(world) {
      const producer = await world.process()
      const consumer = await world.process()
      consumer.wire.refuse('listen')
      const tasks = consumer.storage.queue<number>(queue)
      const notes = new Notes<number>()
      const worker = consumer.work(tasks, notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      const before = consumer.wire.count(claiming)
      await world.advance(60_000)
      assert.ok(consumer.wire.count(claiming) > before, 'it looked again')
      assert.equal(eventsOf(worker, 'idle').length, 1)
      await producer.storage.queue<number>(queue).pushBulk([1, 2, 3])
      await world.within(10_000, 'all were handled', () => notes.args.length === 3)
      await world.advance(60_000)
      assert.equal(eventsOf(worker, 'idle').length, 2)
    },
  },
  {
    name: 'within one process whatever makes work wakes its workers at once, also without signals of the storage',
    async run(world) {
      const { storage, wire, work } = await world.process()
      wire.refuse('listen')
      const tasks = storage.queue<string>(queue, { backoff: () => 0 })
      const desk = new Desk<string>()
      const worker = work(tasks, desk.handler, { concurrency: 1 })
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      let runs = 0
      // No time passes in all of this.
      const runsAfter = async (what: string, change: () => Promise<unknown>): Promise<void> => {
        await world.quiet()
        await change()
        runs += 1
        await world.until(`it runs after ${what}`, () => desk.runs.length === runs)
      }
      const end = async (): Promise<void> => {
        desk.at(-1).finish(undefined)
        await world.until('it is idle', () => desk.open === 0)
      }
      await runsAfter('a push', () => tasks.push('push'))
      await end()
      await runsAfter('a bulk push', () => tasks.pushBulk(['bulk']))
      await end()
      const id = await tasks.push('delayed', { delay: '1h' })
      await runsAfter('a reschedule', () => tasks.reschedule(id, 0))
      await runsAfter('a failure without backoff', async () => desk.at(-1).fail(new Error('e')))
      await end()
      const killed = await tasks.push('killed', { delay: '1h' })
      await tasks.kill(killed)
      await runsAfter('a retry', () => tasks.retry(killed))
      await end()
      await tasks.pause()
      await tasks.push('paused')
      await runsAfter('a resume', () => tasks.resume())
      await end()
    },
  },
  {
    name: 'a push while a claim that found nothing is still under way is not missed',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const notes = new Notes<string>()
      const claim = wire.hold(claiming, 'after', 1)
      work(tasks, notes.handler)
      await world.until('it claims', () => claim.count === 1)
      await tasks.push('a')
      await world.quiet()
      claim.letGo()
      // No time passes.
      await world.until('it ran', () => notes.args.length === 1)
    },
  },
  {
    name: 'what one worker gives back another of the same process takes at once, also without signals',
    async run(world) {
      const { storage, wire, work } = await world.process()
      wire.refuse('listen')
      const tasks = storage.queue<string>(queue)
      await tasks.pushBulk(['runs', 'waits'])
      const desk = new Desk<string>()
      const first = work(tasks, desk.handler, { layers: [new Gate(2, 0).layer] })
      await world.until('one runs', () => desk.open === 1)
      const notes = new Notes<string>()
      const second = work(tasks, notes.handler, { name: 'second' })
      await world.until('the second is idle', () => eventsOf(second, 'idle').length === 1)
      await world.quiet()
      first.context.stop()
      // No time passes.
      await world.until('the second took the other', () => notes.args.length === 1)
      desk.at(0).finish(undefined)
      await world.until('the first ends', () => first.over)
    },
  },
  {
    number: 126,
    name: 'an idle worker makes no call but its beats',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const worker = work(storage.queue<string>(queue), () => {})
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      await world.quiet()
      const before = wire.calls.length
      await world.advance(60_000)
      const calls = wire.calls.slice(before).map(({ operation }) => operation)
      assert.deepEqual(
        calls.filter((operation) => operation !== 'beat'),
        [],
      )
      assert.ok(calls.length >= 5 && calls.length <= 7, `${calls.length} beats in two leases`)
    },
  },
  {
    number: 127,
    name: 'all queues of a storage and all their workers share one listener',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const notes = new Notes<string>()
      const names = Array.from({ length: 20 }, (_, index) => `queue ${index}`)
      const workers = names.map((name) => work(storage.queue<string>(name), notes.handler))
      await world.until('all are idle', () =>
        workers.every((worker) => eventsOf(worker, 'idle').length === 1),
      )
      const producer = await world.process()
      await Promise.all(names.map((name) => producer.storage.queue<string>(name).push(name)))
      await world.within(1_000, 'all were woken', () => notes.args.length === names.length)
      assert.deepEqual(notes.args.toSorted(), names.toSorted())
      assert.equal(wire.count('listen'), 1)
    },
  },
]
