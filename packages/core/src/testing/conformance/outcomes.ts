import assert from 'node:assert/strict'
import { json } from '../../codec/json.ts'
import { isEncodeError } from '../../errors/backend-errors.ts'
import {
  AbortError,
  CircuitOpenError,
  DeferredError,
  OverloadedError,
  RateLimitedError,
  RetryAfterError,
} from '../../errors/task-errors.ts'
import type { Layer } from '../../service/service.ts'
import type { Row } from '../../storage/task-store.ts'
import { constant } from '../../task/backoff.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, failures, layerOf, raise } from './kit.ts'
import { between, numbered, queue } from './store-kit.ts'
import type { World } from './world.ts'

/** A layer that throws before the handler begins. */
function refusing(error: () => Error): Layer {
  return layerOf('refusing', () => ({ call: () => raise(error()) }))
}

/** How far after its last error a row is due. */
function waitOf({ runAt, errors }: Row): number {
  return runAt - (errors.at(-1)?.at ?? Number.NaN)
}

async function settledRow<Tx>(world: World<Tx>, id: string): Promise<Row> {
  await world.until(`task ${id} is settled`, async () => {
    const { status, epoch } = await world.row(queue, id)
    return epoch > 0 && status !== 'running'
  })
  return world.row(queue, id)
}

/** Every row of the outcome table that the other subjects leave out: what is written, and whether an attempt is used. */
export const outcomeCases: readonly CaseDefinition[] = [
  {
    name: 'the handler returns: done, the result kept where the queue keeps results',
    async run(world) {
      const { storage, work } = await world.process()
      const keeping = storage.queue<unknown, unknown>(queue, { result: json<unknown>() })
      const worker = work(keeping, (args) => args)
      const values = [{ a: [1, 'ž', null] }, '', 0, null]
      for (const value of values) {
        const row = await settledRow(world, await keeping.push(value))
        assert.deepEqual(
          [row.status, row.attempt, row.result, row.errors.length],
          ['done', 1, JSON.stringify(value), 0],
        )
      }
      const nothing = storage.queue<string>('no results')
      work(nothing, () => 'a result')
      const id = await nothing.push('a')
      await world.until('it is done', async () => (await world.counts('no results')).done === 1)
      assert.equal((await world.row('no results', id)).result, undefined)
      assert.equal(await nothing.result(id), undefined)
      await world.until('all are told', () => eventsOf(worker, 'success').length === values.length)
      assert.deepEqual(
        eventsOf(worker, 'success').map(({ result }) => result),
        values,
      )
    },
  },
  {
    name: 'a result that cannot be encoded, or is too large: killed with EncodeError, attempts left or not',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string, unknown>(queue, { result: json<unknown>(), attempts: 5 })
      const worker = work(tasks, (args) => (args === 'large' ? 'x'.repeat(1_100_000) : { at: 1n }))
      for (const args of ['large', 'bigint']) {
        const row = await settledRow(world, await tasks.push(args))
        assert.deepEqual(
          [row.status, row.attempt, row.result, row.errors[0]?.code],
          ['killed', 1, undefined, 'ERR_ENCODE'],
        )
      }
      await world.until('both are told', () => failures(worker, 'killed').length === 2)
      assert.ok(failures(worker, 'killed').every(({ error }) => isEncodeError(error)))
      assert.deepEqual(eventsOf(worker, 'success'), [])
    },
  },
  {
    name: 'the errors thrown on purpose at the last attempt: killed',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 1 })
      const errors: Readonly<Record<string, () => Error>> = {
        ERR_TASK_RETRY_AFTER: () => new RetryAfterError('later', '1m'),
        ERR_TASK_DEFERRED: () => new DeferredError('later'),
        ERR_TASK_ABORT: () => new AbortError(new Error('the cause')),
      }
      work(tasks, (code) => raise(errors[code]?.()))
      for (const code of Object.keys(errors)) {
        const row = await settledRow(world, await tasks.push(code))
        assert.deepEqual([row.status, row.attempt, row.errors[0]?.code], ['killed', 1, code])
      }
      const [, , aborted] = await world.rows(queue)
      assert.equal(aborted?.errors[0]?.cause?.message, 'the cause')
    },
  },
  {
    name: 'a snooze at the last attempt is no end: released, its error kept',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 1 })
      const worker = work(tasks, () =>
        raise(new RetryAfterError('later', '1m', { countAttempt: false })),
      )
      const row = await settledRow(world, await tasks.push('a'))
      assert.deepEqual(
        [row.status, row.attempt, row.releases, row.errors[0]?.message],
        ['pending', 0, 1, 'later'],
      )
      between(waitOf(row), 59_995, 60_005)
      await world.until('it is told', () => failures(worker, 'released').length === 1)
      const [told] = failures(worker, 'released')
      assert.ok(told?.retryAt)
      between(told.retryAt.getTime() - told.time.getTime(), 59_900, 60_100)
    },
  },
  {
    name: 'refused before the handler began, by overload, rate or breaker: released for as long as the refusal says',
    async run(world) {
      const { storage, work } = await world.process()
      const refusals: readonly (readonly [string, () => Error, number, number])[] = [
        ['overloaded', () => new OverloadedError('full', { retryIn: '20s' }), 19_900, 20_100],
        ['limited', () => new RateLimitedError('slow', { retryIn: '40s' }), 39_900, 40_100],
        ['open', () => new CircuitOpenError('open', { retryIn: '1m' }), 59_900, 60_100],
        ['at once', () => new OverloadedError('full', { retryIn: 0 }), 99, 2_000],
        ['silent', () => new OverloadedError('full'), 99, 2_000],
      ]
      for (const [name, error, least, most] of refusals) {
        const tasks = storage.queue<string>(name, { attempts: 1 })
        const desk = new Desk<string>()
        const worker = work(tasks, desk.handler, { layers: [refusing(error)] })
        const id = await tasks.push('a')
        await world.until('it is told', () => failures(worker, 'released').length === 1)
        const row = await world.row(name, id)
        assert.deepEqual([row.status, row.attempt, row.releases], ['pending', 0, 1], name)
        between(row.runAt - row.createdAt, least, most)
        assert.equal(desk.runs.length, 0)
        assert.deepEqual(eventsOf(worker, 'engage'), [])
      }
    },
  },
  {
    name: 'refused after the handler began: a failure that waits for as long as the refusal says',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 2, backoff: constant('1h') })
      work(tasks, () => raise(new RateLimitedError('slow', { retryIn: '1m' })))
      const id = await tasks.push('a')
      const row = await settledRow(world, id)
      assert.deepEqual([row.status, row.attempt, row.releases], ['failed', 1, 0])
      between(waitOf(row), 59_900, 60_100)
      await world.within(70_000, 'the last attempt is used', async () => {
        const { status, attempt } = await world.row(queue, id)
        return status === 'killed' && attempt === 2
      })
    },
  },
  {
    name: 'sent back too often in a row: a failure; an attempt that is used begins the count anew',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, {
        attempts: 2,
        maxReleases: 2,
        backoff: constant('1s'),
      })
      let calls = 0
      const counting = layerOf('counting', () => ({
        call: () => {
          calls += 1
          return raise(new OverloadedError('full', { retryIn: '1s' }))
        },
      }))
      const worker = work(tasks, () => {}, { layers: [counting] })
      const id = await tasks.push('a')
      await world.within(30_000, 'it is killed', () => failures(worker, 'killed').length === 1)
      assert.deepEqual(
        failures(worker).map(({ outcome }) => outcome),
        ['released', 'released', 'failed', 'released', 'released', 'killed'],
      )
      assert.equal(calls, 6)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.attempt, row.releases], ['killed', 2, 0])
    },
  },
  {
    name: 'whatever a layer does is settled like any other outcome: no task hangs',
    async run(world) {
      const { storage, work } = await world.process()
      const ways: readonly (readonly [string, Layer])[] = [
        ['throws', refusing(() => new Error('of the layer'))],
        [
          'rejects',
          layerOf('rejecting', () => ({ call: () => Promise.reject(new Error('of the layer')) })),
        ],
        [
          'throws after',
          layerOf('late', (inner) => ({
            async call(request) {
              await inner.call(request)
              throw new Error('of the layer')
            },
          })),
        ],
      ]
      for (const [name, layer] of ways) {
        const tasks = storage.queue<string>(name, { attempts: 1 })
        work(tasks, () => 'fine', { layers: [layer] })
        const id = await tasks.push('a')
        await world.until(`${name} is settled`, async () => (await world.counts(name)).killed === 1)
        const { attempt, errors } = await world.row(name, id)
        assert.deepEqual([attempt, errors[0]?.message], [1, 'of the layer'])
      }
    },
  },
  {
    name: "a hanging layer is ended by the task's own timeout, which stands outside all layers",
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 1, timeout: '10s' })
      const hanging = layerOf('hanging', () => ({ call: () => new Promise(() => {}) }))
      const worker = work(tasks, () => {}, { concurrency: 1, layers: [hanging] })
      const id = await tasks.push('a')
      await world.within(
        15_000,
        'it is killed',
        async () => (await world.row(queue, id)).status === 'killed',
      )
      assert.equal((await world.row(queue, id)).errors[0]?.code, 'ERR_TASK_TIMEOUT')
      assert.equal(worker.context.state, 'running')
    },
  },
  {
    name: 'a lost lease: nothing is written for its tasks, whatever their handlers end with',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<string>(queue)
      const desk = new Desk<string>()
      await tasks.pushBulk(['returns', 'throws', 'aborts'])
      const worker = work(tasks, desk.handler)
      await world.until('all run', () => desk.open === 3)
      const before = await world.rows(queue)
      wire.hold(['beat', 'leave', 'register'], 'before')
      await world.within(30_000, 'the lease is lost', () => desk.at(0).signal.aborted)
      const settles = wire.count(['settle', 'exchange'])
      desk.at(0).finish(undefined)
      desk.at(1).fail(new Error('e'))
      desk.at(2).fail(new AbortError('e'))
      await world.advance(5_000)
      assert.equal(wire.count(['settle', 'exchange']), settles)
      assert.deepEqual(await world.rows(queue), before)
      assert.deepEqual(
        eventsOf(worker, 'lost').map(({ reason }) => reason),
        ['lease', 'lease', 'lease'],
      )
      assert.deepEqual([...eventsOf(worker, 'success'), ...failures(worker)], [])
    },
  },
  {
    name: 'every task gives a legal sequence of events',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue, { attempts: 2, backoff: () => 0 })
      const worker = work(tasks, (n, { attempt }) => {
        if (n % 3 === 1 && attempt === 1) throw new Error('once')
        if (n % 3 === 2) throw new Error('always')
      })
      const pushed = await tasks.pushBulk(numbered(9).map((_, index) => index))
      await world.within(5_000, 'all ended', async () => {
        const { done, killed } = await world.counts(queue)
        return done + killed === 9
      })
      await world.until(
        'all are told',
        () => eventsOf(worker, 'success').length + failures(worker, 'killed').length === 9,
      )
      const expected = [
        ['engage', 'success'],
        ['engage', 'failed', 'engage', 'success'],
        ['engage', 'failed', 'engage', 'killed'],
      ]
      for (const [index, id] of pushed.entries()) {
        const told = worker.events
          .filter((event) => 'task' in event && event.task.parts.taskId === id)
          .map((event) => ('outcome' in event ? event.outcome : event.type))
        assert.deepEqual(told, expected[index % 3])
      }
      const [first] = worker.events
      assert.deepEqual([first?.type, first?.queue], ['start', queue])
    },
  },
]
