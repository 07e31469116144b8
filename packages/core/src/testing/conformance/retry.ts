import assert from 'node:assert/strict'
import { hasCode } from '../../internal/apalis-error.ts'
import { AbortError, DeferredError, RetryAfterError } from '../../errors/task-errors.ts'
import { constant } from '../../task/backoff.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, eventsOf, Failing, failures, Notes, raise } from './kit.ts'
import { between, queue } from './store-kit.ts'

/** Retry, backoff, failure: 29, 32 to 39. */
export const retryCases: readonly CaseDefinition[] = [
  {
    number: 29,
    name: 'attempts: n calls the handler exactly n times, then the task is killed with every error kept',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { backoff: constant('1s') })
      const failing = new Failing()
      work(tasks, failing.handler)
      const id = await tasks.push(null, { attempts: 3 })
      await world.within(
        20_000,
        'it is killed',
        async () => (await world.row(queue, id)).status === 'killed',
      )
      await world.advance(60_000)
      assert.equal(failing.calls, 3)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.attempt], ['killed', 3])
      assert.deepEqual(
        row.errors.map(({ message, attempt }) => [message, attempt]),
        [
          ['failure 1', 1],
          ['failure 2', 2],
          ['failure 3', 3],
        ],
      )
      assert.ok(row.errors.every(({ stack }) => stack !== undefined))
    },
  },
  {
    number: 29,
    name: 'the kept errors are bounded: the last ten',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { attempts: 13, backoff: () => 0 })
      const failing = new Failing()
      work(tasks, failing.handler)
      const id = await tasks.push(null)
      await world.within(
        20_000,
        'it is killed',
        async () => (await world.row(queue, id)).status === 'killed',
      )
      const { errors } = await world.row(queue, id)
      assert.deepEqual(
        errors.map(({ attempt }) => attempt),
        [4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
      )
    },
  },
  {
    number: 32,
    name: 'AbortError ends a task whatever attempts are left',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { attempts: 5 })
      const failing = new Failing(() => new AbortError('hopeless'))
      work(tasks, failing.handler)
      const id = await tasks.push(null)
      await world.until(
        'it is killed',
        async () => (await world.row(queue, id)).status === 'killed',
      )
      await world.advance(60_000)
      assert.equal(failing.calls, 1)
      const { attempt, errors } = await world.row(queue, id)
      assert.deepEqual(
        [attempt, errors[0]?.message, errors[0]?.code],
        [1, 'hopeless', 'ERR_TASK_ABORT'],
      )
    },
  },
  {
    number: 33,
    name: 'RetryAfterError goes before the backoff, for that attempt only',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { attempts: 3, backoff: constant('10s') })
      const failing = new Failing((call) =>
        call === 1 ? new RetryAfterError('busy', '5m') : new Error('other'),
      )
      const worker = work(tasks, failing.handler)
      const id = await tasks.push(null)
      await world.until('it failed', () => failures(worker, 'failed').length === 1)
      const { runAt, errors, status, attempt } = await world.row(queue, id)
      assert.deepEqual([status, attempt], ['failed', 1])
      between(runAt - (errors[0]?.at ?? 0), 299_995, 300_005)
      await world.advance(280_000, { step: 5_000 })
      assert.equal(failing.calls, 1)
      await world.within(40_000, 'it ran again', () => failing.calls === 2)
      await world.within(20_000, 'the backoff holds again', () => failing.calls === 3)
    },
  },
  {
    number: 34,
    name: 'a snooze uses no attempt and waits, a deferral uses one and does not; both are bounded',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, {
        attempts: 3,
        backoff: constant('1h'),
        maxReleases: 4,
      })
      const snoozing = new Failing(
        () => new RetryAfterError('later', '20s', { countAttempt: false }),
      )
      const deferring = new Failing(() => new DeferredError('not yet'))
      const worker = work(tasks, (which, request) =>
        (which === 'snooze' ? snoozing : deferring).handler(which, request),
      )
      const deferred = await tasks.push('defer')
      // No time passes: a deferral is due at once.
      await world.until(
        'the deferred one is killed',
        async () => (await world.row(queue, deferred)).status === 'killed',
      )
      assert.equal(deferring.calls, 3)
      const snoozed = await tasks.push('snooze')
      await world.until('it ran once', () => failures(worker, 'released').length === 1)
      const once = await world.row(queue, snoozed)
      assert.deepEqual(
        [once.status, once.attempt, once.releases, once.errors.length],
        ['pending', 0, 1, 1],
      )
      await world.advance(10_000)
      assert.equal(snoozing.calls, 1)
      await world.within(80_000, 'it was snoozed four times and failed then', () =>
        failures(worker, 'failed').some(({ task }) => task.parts.taskId === snoozed),
      )
      const failed = await world.row(queue, snoozed)
      assert.equal(snoozing.calls, 5)
      assert.deepEqual([failed.status, failed.attempt, failed.releases], ['failed', 1, 0])
    },
  },
  {
    number: 34,
    name: 'a snooze of nothing still waits a tenth of a second: no hot loop',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { maxReleases: 1_000 })
      const snoozing = new Failing(() => new RetryAfterError('now', 0, { countAttempt: false }))
      const worker = work(tasks, snoozing.handler)
      const id = await tasks.push(null)
      await world.until('it was released', () => failures(worker, 'released').length === 1)
      const { runAt, errors } = await world.row(queue, id)
      between(runAt - (errors[0]?.at ?? 0), 95, 1_005)
      await world.quiet()
      assert.equal(snoozing.calls, 1)
    },
  },
  {
    number: 35,
    name: 'interrupted by a shutdown: no attempt is used, and another runs it at once',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 1 })
      const desk = new Desk<string>()
      const id = await tasks.push('a')
      const worker = work(tasks, desk.handler, { shutdownTimeout: '5s' })
      await world.until('it runs', () => desk.open === 1)
      const run = desk.at(0)
      run.signal.addEventListener('abort', () => run.fail(run.signal.reason), { once: true })
      worker.context.stop()
      await world.within(8_000, 'the worker ends', () => worker.over)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.attempt, row.releases, row.rescues], ['pending', 0, 0, 0])
      const other = await world.process()
      const notes = new Notes<string>()
      other.work(other.storage.queue<string>(queue), notes.handler)
      await world.until('another ran it', () => notes.args.length === 1)
      assert.deepEqual(notes.attempts, [1])
    },
  },
  {
    number: 36,
    name: 'arguments that cannot be read use the attempt and end the task at once',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 5 })
      const notes = new Notes<string>()
      const id = await tasks.push('a')
      await world.harness.corrupt(queue, id, 'no JSON')
      const worker = work(tasks, notes.handler)
      await world.until('it is killed', () => failures(worker, 'killed').length === 1)
      const { status, attempt, args, errors } = await world.row(queue, id)
      assert.deepEqual([status, attempt, args], ['killed', 1, 'no JSON'])
      assert.equal(errors[0]?.code, 'ERR_DECODE')
      assert.deepEqual(notes.args, [])
    },
  },
  {
    number: 37,
    name: 'retry of a killed task: ready again, attempts reset or one more; of any other it is refused',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 2, backoff: () => 0 })
      const failing = new Failing()
      const id = await tasks.push('a')
      const refused = (): Promise<void> =>
        assert.rejects(tasks.retry(id), (error) => hasCode(error, 'ERR_TASK_STATE'))
      await refused()
      work(tasks, failing.handler)
      const killedAfter = async (calls: number): Promise<void> => {
        await world.within(5_000, `killed after ${calls} calls`, async () => {
          const { status } = await world.row(queue, id)
          return failing.calls === calls && status === 'killed'
        })
        await world.advance(5_000)
        assert.equal(failing.calls, calls)
      }
      await killedAfter(2)
      assert.equal(await tasks.retry(id), true)
      await killedAfter(4)
      assert.equal((await world.row(queue, id)).attempt, 2)
      assert.equal(await tasks.retry(id, { resetAttempts: false }), true)
      await killedAfter(5)
      assert.equal(await tasks.retry('nobody'), false)
      const { errors } = await world.row(queue, id)
      assert.equal(errors.at(-1)?.message, 'failure 5')
      const done = storage.queue<string>('fine')
      const fine = await done.push('b')
      work(done, () => {})
      await world.until('it is done', async () => (await world.counts('fine')).done === 1)
      await assert.rejects(done.retry(fine), (error) => hasCode(error, 'ERR_TASK_STATE'))
    },
  },
  {
    number: 38,
    name: 'no backoff runs again at once; a queue paused meanwhile holds it until it is resumed',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<string>(queue, { attempts: 4, backoff: () => 0 })
      const desk = new Desk<string>()
      const id = await tasks.push('a')
      work(tasks, desk.handler)
      await world.until('it runs', () => desk.runs.length === 1)
      desk.at(0).fail(new Error('once'))
      // No time passes.
      await world.until('it runs again', () => desk.runs.length === 2)
      await tasks.pause()
      await world.quiet()
      desk.at(1).fail(new Error('twice'))
      await world.until('it failed', async () => (await world.row(queue, id)).status === 'failed')
      await world.advance(30_000)
      assert.equal(desk.runs.length, 2)
      await tasks.resume()
      await world.within(1_000, 'it runs on resume', () => desk.runs.length === 3)
      assert.equal(desk.at(2).attempt, 3)
      desk.at(2).finish(undefined)
    },
  },
  {
    number: 39,
    name: 'every failure is told, with when it runs again; the end of the attempts once, after the last',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { attempts: 3, backoff: constant('10s') })
      const failing = new Failing()
      const worker = work(tasks, failing.handler)
      await tasks.push(null)
      await world.within(60_000, 'it is told', () => failures(worker, 'killed').length === 1)
      await world.advance(30_000)
      assert.deepEqual(
        failures(worker).map(({ outcome, error, retryAt }) => [
          outcome,
          error instanceof Error && error.message,
          retryAt instanceof Date,
        ]),
        [
          ['failed', 'failure 1', true],
          ['failed', 'failure 2', true],
          ['killed', 'failure 3', false],
        ],
      )
      const [first] = failures(worker)
      assert.ok(first?.retryAt)
      between(first.retryAt.getTime() - first.time.getTime(), 9_900, 10_100)
      assert.equal(eventsOf(worker, 'success').length, 0)
    },
  },
  {
    name: "the platform's own AbortError is an error like any other",
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { attempts: 2, backoff: () => 0 })
      let calls = 0
      work(tasks, () => {
        calls += 1
        if (calls === 1) raise(new DOMException('fetch was aborted', 'AbortError'))
      })
      await tasks.push(null)
      await world.within(1_000, 'it is done', async () => (await world.counts(queue)).done === 1)
      assert.equal(calls, 2)
    },
  },
]
