import assert from 'node:assert/strict'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Notes } from './kit.ts'
import { queue } from './store-kit.ts'

/** Priority, order, delay: 20 to 28. */
export const scheduleCases: readonly CaseDefinition[] = [
  {
    number: 20,
    name: 'larger priority first, arrival within one; none given is 0',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      await tasks.push('none 1')
      await tasks.push('low', { priority: -1 })
      await tasks.push('high 1', { priority: 1 })
      await tasks.push('zero', { priority: 0 })
      await tasks.push('highest', { priority: 32_767 })
      await tasks.push('lowest', { priority: -32_768 })
      await tasks.push('high 2', { priority: 1 })
      await tasks.push('none 2')
      const notes = new Notes<string>()
      work(tasks, notes.handler, { concurrency: 1 })
      await world.until('all were handled', () => notes.args.length === 8)
      assert.deepEqual(notes.args, [
        'highest',
        'high 1',
        'high 2',
        'none 1',
        'zero',
        'none 2',
        'low',
        'lowest',
      ])
    },
  },
  {
    number: 21,
    name: 'another priority reorders a waiting task; a running one is not changed',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      const running = await tasks.push('running')
      work(tasks, desk.handler, { concurrency: 1 })
      await world.until('it runs', () => desk.open === 1)
      await tasks.push('a')
      const b = await tasks.push('b')
      const c = await tasks.push('c')
      assert.equal(await tasks.update(b, { priority: 2 }), true)
      assert.equal(await tasks.update(c, { priority: 1 }), true)
      const before = await world.row(queue, running)
      assert.equal(await tasks.update(running, { priority: 9 }), false)
      assert.deepEqual(await world.row(queue, running), before)
      for (const [index, args] of ['running', 'b', 'c', 'a'].entries()) {
        await world.until(`run ${index + 1} begins`, () => desk.runs.length === index + 1)
        assert.equal(desk.at(index).args, args)
        desk.at(index).finish(undefined)
      }
    },
  },
  {
    number: 22,
    name: 'a delayed task does not run before its time, and soon after it',
    async run(world) {
      const producer = await world.process()
      const { storage, work } = await world.process()
      const notes = new Notes<string>()
      work(storage.queue<string>(queue), notes.handler)
      const tasks = producer.storage.queue<string>(queue)
      await tasks.push('delay', { delay: '2m' })
      await tasks.push('runAt', { runAt: new Date(world.harness.clock.now() + 240_000) })
      await world.advance(105_000)
      assert.deepEqual(notes.args, [])
      await world.within(20_000, 'the delay is over', () => notes.args.length > 0)
      assert.deepEqual(notes.args, ['delay'])
      await world.advance(100_000)
      assert.deepEqual(notes.args, ['delay'])
      await world.within(20_000, 'the instant has come', () => notes.args.length > 1)
    },
  },
  {
    number: 23,
    name: 'a short delay pushed after a long one runs first; with several workers the order is that of the due times',
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const tasks = one.storage.queue<number>(queue)
      const notes = new Notes<number>()
      one.work(tasks, notes.handler, { concurrency: 1 })
      other.work(other.storage.queue<number>(queue), notes.handler, { concurrency: 1 })
      await world.quiet()
      const delays = [300, 60, 240, 120, 180, 30]
      for (const seconds of delays) await tasks.push(seconds, { delay: seconds * 1_000 })
      await world.within(400_000, 'all ran', () => notes.args.length === delays.length)
      assert.deepEqual(
        notes.args,
        delays.toSorted((a, b) => a - b),
      )
    },
  },
  {
    number: 24,
    name: 'due at the same instant: in order of arrival',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const notes = new Notes<number>()
      work(tasks, notes.handler, { concurrency: 1 })
      const runAt = new Date(world.harness.clock.now() + 60_000)
      for (let n = 0; n < 20; n += 1) {
        await tasks.push(n, { runAt, id: `task-${(n * 7) % 20}` })
      }
      await world.advance(45_000)
      assert.deepEqual(notes.args, [])
      await world.within(30_000, 'all ran', () => notes.args.length === 20)
      assert.deepEqual(
        notes.args,
        Array.from({ length: 20 }, (_, index) => index),
      )
    },
  },
  {
    number: 25,
    name: 'no delay, or an instant that has passed: ready at once',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      await tasks.push('delay 0', { delay: 0 })
      await tasks.push('past', { runAt: new Date(world.harness.clock.now() - 60_000) })
      assert.equal((await tasks.metrics()).due, 2)
      const notes = new Notes<string>()
      work(tasks, notes.handler, { concurrency: 1 })
      await world.until('both ran', () => notes.args.length === 2)
      assert.deepEqual(notes.args, ['past', 'delay 0'], 'by the time they were due')
    },
  },
  {
    number: 26,
    name: 'a task moved to now, to earlier or to later runs at its new time, and wakes an idle worker',
    async run(world) {
      const producer = await world.process()
      const { storage, work } = await world.process()
      const notes = new Notes<string>()
      const worker = work(storage.queue<string>(queue), notes.handler)
      await world.until('it is idle', () => eventsOf(worker, 'idle').length === 1)
      const tasks = producer.storage.queue<string>(queue)
      const now = await tasks.push('now', { delay: '1h' })
      const earlier = await tasks.push('earlier', { delay: '2h' })
      const later = await tasks.push('later', { delay: '30s' })
      await world.quiet()
      assert.equal(await tasks.reschedule(later, '10m'), true)
      assert.equal(
        await tasks.reschedule(earlier, new Date(world.harness.clock.now() + 120_000)),
        true,
      )
      assert.equal(await tasks.reschedule(now, 0), true)
      await world.within(1_000, 'what was moved to now ran', () => notes.args.length === 1)
      await world.advance(100_000)
      assert.deepEqual(notes.args, ['now'])
      await world.within(40_000, 'what was moved to earlier ran', () => notes.args.length === 2)
      await world.advance(400_000)
      assert.deepEqual(notes.args, ['now', 'earlier'])
      await world.within(90_000, 'what was moved to later ran', () => notes.args.length === 3)
      assert.equal(await tasks.reschedule(later, 0), false)
      assert.equal(await tasks.reschedule('nobody', 0), false)
    },
  },
  {
    number: 27,
    name: "the storage's clock says what is due: a process whose own is wrong starts nothing early or late",
    async run(world) {
      const fast = await world.process({ skewMs: 3_600_000 })
      const slow = await world.process({ skewMs: -3_600_000 })
      const early = new Notes<string>()
      fast.work(fast.storage.queue<string>(queue), early.handler)
      const now = world.harness.clock.now()
      await slow.storage.queue<string>(queue).push('delay', { delay: '5m' })
      await slow.storage.queue<string>(queue).push('runAt', { runAt: new Date(now + 300_000) })
      await world.advance(280_000)
      assert.deepEqual(early.args, [])
      await world.within(40_000, 'both ran', () => early.args.length === 2)
      const late = new Notes<string>()
      const other = await world.process({ skewMs: -3_600_000 })
      other.work(other.storage.queue<string>('late'), late.handler)
      const tasks = fast.storage.queue<string>('late')
      await tasks.push('plain')
      await tasks.push('delay', { delay: '1m' })
      await world.within(1_000, 'the plain one ran', () => late.args.length === 1)
      await world.advance(45_000)
      assert.deepEqual(late.args, ['plain'])
      await world.within(30_000, 'the delayed one ran', () => late.args.length === 2)
    },
  },
  {
    number: 28,
    name: 'what becomes due keeps its priority',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      await tasks.push('delayed low', { delay: '1m', priority: -1 })
      await tasks.push('delayed high', { delay: '1m', priority: 5 })
      await tasks.push('delayed', { delay: '1m' })
      await tasks.push('waiting')
      await tasks.push('waiting high', { priority: 4 })
      await world.advance(70_000, { step: 10_000 })
      const notes = new Notes<string>()
      work(tasks, notes.handler, { concurrency: 1 })
      await world.until('all ran', () => notes.args.length === 5)
      assert.deepEqual(notes.args, [
        'delayed high',
        'waiting high',
        'waiting',
        'delayed',
        'delayed low',
      ])
    },
  },
]
