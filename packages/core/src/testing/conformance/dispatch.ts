import assert from 'node:assert/strict'
import { isTimeoutError } from '../../errors/task-errors.ts'
import { concurrency } from '../../layers/concurrency.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, failures, Gate, Notes, raise } from './kit.ts'
import { numbered, queue } from './store-kit.ts'
import { claiming } from '../wire.ts'

/** Dispatch and exclusivity: 11 to 19. */
export const dispatchCases: readonly CaseDefinition[] = [
  {
    number: 11,
    name: 'many workers, many tasks: every one is handled exactly once',
    async run(world) {
      const processes = await Promise.all([world.process(), world.process(), world.process()])
      const notes = new Notes<number>()
      for (const { storage, work } of processes) {
        const tasks = storage.queue<number>(queue)
        for (const name of ['one', 'two']) {
          work(
            tasks,
            async (n, request) => {
              await Promise.resolve()
              return notes.handler(n, request)
            },
            { name, concurrency: 7 },
          )
        }
      }
      const [first] = processes
      const tasks = first.storage.queue<number>(queue)
      const all = Array.from({ length: 500 }, (_, index) => index)
      await tasks.pushBulk(all.slice(0, 250))
      await Promise.all(all.slice(250).map((n) => tasks.push(n)))
      await world.until('all are done', async () => (await world.counts(queue)).done === 500)
      await world.advance(40_000)
      assert.deepEqual(notes.doubled, [])
      assert.deepEqual(
        notes.args.toSorted((one, other) => one - other),
        all,
      )
      assert.ok(notes.attempts.every((attempt) => attempt === 1))
    },
  },
  {
    number: 12,
    name: 'one worker at concurrency 1 goes in order of arrival, whatever the ids',
    async run(world) {
      const { storage, work } = await world.process()
      const other = await world.process()
      const tasks = storage.queue<number>(queue)
      const elsewhere = other.storage.queue<number>(queue)
      for (let n = 0; n < 30; n += 1) {
        await (n % 2 === 0 ? tasks : elsewhere).push(n, { id: `task-${(n * 7) % 30}` })
      }
      const notes = new Notes<number>()
      work(tasks, notes.handler, { concurrency: 1 })
      await world.until('all were handled', () => notes.args.length === 30)
      assert.deepEqual(
        notes.args,
        Array.from({ length: 30 }, (_, index) => index),
      )
    },
  },
  {
    number: 13,
    name: 'never more handlers than the concurrency, all of it used, changed while it runs both ways',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const limit = concurrency(3)
      const desk = new Desk<number>()
      work(tasks, desk.handler, { layers: [limit] })
      await tasks.pushBulk(Array.from({ length: 40 }, (_, index) => index))
      const settled = async (open: number): Promise<void> => {
        await world.until(`${open} handlers run`, () => desk.open === open)
        await world.advance(2_000)
        assert.equal(desk.open, open)
      }
      await settled(3)
      assert.equal(desk.runs.length, 3)
      for (const run of desk.runs.slice()) run.finish(undefined)
      await settled(3)
      assert.equal(desk.runs.length, 6)
      limit.limit = 8
      await settled(8)
      limit.limit = 2
      for (const run of desk.runs.slice(0, 9)) run.finish(undefined)
      await settled(2)
      assert.equal(desk.runs.length, 11)
      desk.at(9).finish(undefined)
      await settled(2)
      assert.equal(desk.runs.length, 12)
      assert.equal(desk.most, 8)
    },
  },
  {
    number: 13,
    name: 'what cannot start is not claimed: it stays for others',
    async run(world) {
      const busy = await world.process()
      const tasks = busy.storage.queue<number>(queue)
      const desk = new Desk<number>()
      busy.work(tasks, desk.handler, { concurrency: 2 })
      await tasks.pushBulk([1, 2, 3, 4, 5])
      await world.until('two run', () => desk.open === 2)
      await world.advance(5_000)
      assert.equal((await world.counts(queue)).running, 2)
      const other = await world.process()
      const notes = new Notes<number>()
      other.work(other.storage.queue<number>(queue), notes.handler)
      await world.until('another took the rest', () => notes.args.length === 3)
      assert.deepEqual(notes.args, [3, 4, 5])
    },
  },
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
    number: 16,
    name: 'a task that no worker here is for waits for one that is, untouched',
    async run(world) {
      const { storage, work } = await world.process()
      const notes = new Notes<string>()
      work(storage.queue<string>('known'), notes.handler)
      const later = storage.queue<string>('unknown')
      const id = await later.push('a')
      await world.advance(60_000)
      const { status, attempt, epoch } = await world.row('unknown', id)
      assert.deepEqual([status, attempt, epoch], ['pending', 0, 0])
      assert.deepEqual(notes.args, [])
      const late = new Notes<string>()
      work(later, late.handler)
      await world.until('the worker for it ran it', () => late.args.length === 1)
    },
  },
  {
    number: 17,
    name: 'claimed and not started when the worker stops: given back at once, attempts, time and place as they were',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const gate = new Gate(5, 0)
      const desk = new Desk<number>()
      const pushed = await tasks.pushBulk([0, 1, 2, 3, 4])
      const before = await world.rows(queue)
      const worker = work(tasks, desk.handler, { layers: [gate.layer] })
      await world.until('five are claimed', async () => (await world.counts(queue)).running === 5)
      await world.until('one runs', () => desk.open === 1)
      worker.context.stop()
      await world.until('four are back', async () => (await world.counts(queue)).pending === 4)
      assert.equal(worker.over, false, 'the running one is waited for')
      for (const row of (await world.rows(queue)).slice(1)) {
        const was = before.find(({ id }) => id === row.id)
        assert.ok(was)
        assert.deepEqual(row, { ...was, epoch: 1 })
      }
      const other = await world.process()
      const notes = new Notes<number>()
      other.work(other.storage.queue<number>(queue), notes.handler, { concurrency: 1 })
      await world.until('another ran them', () => notes.args.length === 4)
      assert.deepEqual(notes.args, [1, 2, 3, 4])
      assert.deepEqual(notes.attempts, [1, 1, 1, 1])
      desk.at(0).finish(undefined)
      await world.until('the worker ends', () => worker.over)
      assert.equal((await world.row(queue, pushed[0] ?? '')).status, 'done')
    },
  },
  {
    number: 17,
    name: 'claimed and not started within a second: given back while the worker goes on',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue)
      const gate = new Gate(3, 0)
      const desk = new Desk<number>()
      await tasks.pushBulk([0, 1, 2])
      work(tasks, desk.handler, { layers: [gate.layer] })
      await world.until('one runs', () => desk.open === 1)
      await world.within(
        2_000,
        'two are back',
        async () => (await world.counts(queue)).pending === 2,
      )
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.map(({ status, attempt, releases }) => [status, attempt, releases]),
        [
          ['running', 1, 0],
          ['pending', 0, 0],
          ['pending', 0, 0],
        ],
      )
      gate.set(10)
      await world.within(10_000, 'they run after all', () => desk.runs.length === 3)
      assert.deepEqual(desk.args, [0, 1, 2])
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
    number: 19,
    name: 'returns, promises, throws, rejects, rejects with no Error, never ends: each has its end',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 1 })
      const ways: Readonly<Record<string, () => unknown>> = {
        returns: () => 1,
        promises: () => Promise.resolve(1),
        throws: () => raise(new Error('thrown')),
        rejects: () => Promise.reject(new Error('rejected')),
        'no Error': async () => raise('just text'),
        nothing: async () => raise(undefined),
        'never ends': () => new Promise(() => {}),
      }
      const names = Object.keys(ways)
      const worker = work(tasks, (way) => ways[way]?.(), { concurrency: 1 })
      await Promise.all(names.map((way) => tasks.push(way, { id: way, timeout: '10s' })))
      await world.within(15_000, 'all ended', async () => {
        const { done, killed } = await world.counts(queue)
        return done + killed === names.length
      })
      const rows = await world.rows(queue)
      assert.deepEqual(
        Object.fromEntries(rows.map(({ id, status, errors }) => [id, [status, errors.length]])),
        {
          returns: ['done', 0],
          promises: ['done', 0],
          throws: ['killed', 1],
          rejects: ['killed', 1],
          'no Error': ['killed', 1],
          nothing: ['killed', 1],
          'never ends': ['killed', 1],
        },
      )
      const messages = rows.map(({ errors }) => errors[0]?.message ?? '')
      assert.deepEqual(messages.slice(2, 4), ['thrown', 'rejected'])
      assert.match(messages[4] ?? '', /just text/)
      assert.equal(rows[6]?.errors[0]?.code, 'ERR_TASK_TIMEOUT')
      await world.until('all are told', () => failures(worker, 'killed').length === 5)
      assert.ok(isTimeoutError(failures(worker, 'killed').at(-1)?.error))
      assert.equal(eventsOf(worker, 'success').length, 2)
      const fresh = await tasks.push('returns')
      await world.until(
        'the worker goes on',
        async () => (await world.row(queue, fresh)).status === 'done',
      )
    },
  },
  {
    name: 'a thousand tasks more than one claim brings are claimed without waiting for anything',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      await tasks.pushBulk(numbered(2_500))
      const notes = new Notes<string>()
      work(tasks, notes.handler, { concurrency: 1_500 })
      // No time passes: a pause between claims would be seen.
      await world.until('all were handled', () => notes.args.length === 2_500)
      assert.equal(new Set(notes.args).size, 2_500)
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
]
