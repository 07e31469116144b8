import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json } from '../../src/codec/json.ts'
import { BackendError, isBackendError } from '../../src/errors/backend-errors.ts'
import { AbortError, RetryAfterError } from '../../src/errors/task-errors.ts'
import { isWorkerError } from '../../src/errors/worker-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { taskFn } from '../../src/service/task-fn.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { constant } from '../../src/task/backoff.ts'
import { drain } from '../../src/testing/drain.ts'
import { type DrainError, isDrainError } from '../../src/testing/drained.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

function lab() {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const storage = new Storage(store, { clock })
  const numbers = storage.queue('numbers', {
    args: json<number>(),
    result: json<number>(),
    backoff: constant('1m'),
    attempts: 3,
  })
  const texts = storage.queue('texts', { args: json<string>(), result: json<string>() })
  return { clock, store, storage, numbers, texts }
}

async function errorOf(draining: Promise<unknown>): Promise<DrainError> {
  let found: DrainError | undefined
  await assert.rejects(draining, (error) => {
    assert.ok(isDrainError(error))
    found = error
    return true
  })
  assert.ok(found)
  return found
}

test('everything that is due runs, in order, and is told', async () => {
  const { clock, numbers } = lab()
  const ids = await numbers.pushBulk([1, 2])
  const urgent = await numbers.push(3, { priority: 1 })
  await numbers.push(4, { delay: '1m' })
  const drained = await drain(numbers, (n) => n * 2)
  assert.deepEqual(drained, {
    done: 3,
    failed: 0,
    killed: 0,
    released: 0,
    lost: 0,
    ends: [urgent, ...ids].map((taskId, index) => ({
      taskId,
      attempt: 1,
      outcome: 'done',
      result: [6, 2, 4][index],
      queue: 'numbers',
    })),
  })
  const { done, pending } = await numbers.metrics()
  assert.deepEqual({ done, pending }, { done: 3, pending: 1 })
  assert.equal(clock.timers, 0)
})

test('every way to end is counted', async () => {
  const { numbers } = lab()
  await numbers.pushBulk([1, 2, 3, 4, 5])
  const { ends, ...counts } = await drain(numbers, async (n, { id }) => {
    if (n === 2) throw new Error('no luck')
    if (n === 3) throw new AbortError('hopeless')
    if (n === 4) throw new RetryAfterError('busy', '5m', { countAttempt: false })
    if (n === 5) await numbers.kill(id)
    return n
  })
  assert.deepEqual(counts, { done: 1, failed: 1, killed: 1, released: 1, lost: 1 })
  assert.deepEqual(
    ends.map(({ outcome }) => outcome),
    ['done', 'failed', 'killed', 'released', 'lost'],
  )
  assert.match(String(ends[1]?.error), /no luck/)
})

test('an empty queue is drained already', async () => {
  const { numbers } = lab()
  const { done, ends } = await drain(numbers, () => assert.fail('ran'))
  assert.deepEqual({ done, ends }, { done: 0, ends: [] })
})

test('what handlers push runs too, in this queue and in the others, awaited or not', async () => {
  const { numbers, texts } = lab()
  const seen: (number | string)[] = []
  await numbers.push(3)
  const drained = await drain([
    [
      texts,
      async (text) => {
        seen.push(text)
        // Nobody waits for this push.
        if (text === '1') void Promise.resolve().then(() => numbers.push(10))
        return text
      },
    ],
    [
      numbers,
      async (n) => {
        seen.push(n)
        if (n > 0 && n < 10) await Promise.all([numbers.push(n - 1), texts.push(`${n}`)])
        return n
      },
    ],
  ])
  assert.equal(drained.done, 8)
  assert.deepEqual(seen, [3, 2, 1, 0, '3', '2', '1', 10])
  assert.deepEqual(new Set(drained.ends.map(({ queue }) => queue)), new Set(['numbers', 'texts']))
})

test('data, layers and extractors', async () => {
  const { numbers } = lab()
  const times = taskFn(
    (n: number, { data }: TaskRequest<number, { readonly factor: number }>) => n * data.factor,
  )
  const results = async (draining: ReturnType<typeof drain<number, number, number>>) =>
    (await draining).ends.map(({ result }) => result)
  await numbers.push(2)
  assert.deepEqual(await results(drain(numbers, times, { data: { factor: 3 } })), [6])
  await numbers.push(2)
  const build = drain(numbers, {
    build: (worker) => worker.extract({ factor: ({ task }) => task.args * 2 }).build(times),
  })
  assert.deepEqual(await results(build), [8])
})

test('retries and delayed tasks wait, unless the clock may be moved', async () => {
  const { clock, numbers } = lab()
  const start = clock.now()
  const ran: [number, number][] = []
  const run = (n: number): number => {
    ran.push([n, (clock.now() - start) / 1_000])
    if (n === 1) throw new Error('no luck')
    return n
  }
  await numbers.push(1)
  await numbers.push(2, { delay: '90s' })
  await numbers.push(3, { delay: '1h' })
  const { failed, done } = await drain(numbers, run)
  assert.deepEqual({ failed, done }, { failed: 1, done: 0 })
  assert.equal(clock.now(), start)

  const later = await drain(numbers, run, { advance: '10m' })
  assert.deepEqual([later.failed, later.killed, later.done], [1, 1, 1])
  assert.deepEqual(ran, [
    [1, 0],
    [1, 60],
    [2, 90],
    [1, 120],
  ])
  // No further than to the last that ran; what is due after that is left.
  assert.equal(clock.now(), start + 120_000)
  const { pending } = await numbers.metrics()
  assert.equal(pending, 1)
})

test('what runs later may push what runs later still, as far as the clock may move', async () => {
  const { clock, numbers } = lab()
  const start = clock.now()
  await numbers.push(1)
  const { done } = await drain(
    numbers,
    async (n) => {
      await numbers.push(n + 1, { delay: '1m' })
      return n
    },
    { advance: '5m' },
  )
  assert.equal(done, 6)
  assert.equal(clock.now(), start + 300_000)
})

test('a task that pushes itself for ever is an error at the limit', async () => {
  const { numbers } = lab()
  await numbers.push(1, { id: 'first' })
  const error = await errorOf(
    drain(
      numbers,
      async (n) => {
        await numbers.push(n + 1, { id: `after ${n}` })
        return n
      },
      { limit: 3 },
    ),
  )
  assert.equal(
    error.message,
    `drain gave up: it ran 3 tasks, and more are due; what remains:
  queue "numbers": 1 due, 0 running, 0 later
    task after 3 (pending, attempt 0): 4`,
  )
  assert.equal(error.drained.done, 3)
})

test('exactly as many tasks as the limit are no error', async () => {
  const { numbers } = lab()
  await numbers.pushBulk([1, 2, 3])
  await numbers.push(4, { delay: '1m' })
  assert.equal((await drain(numbers, (n) => n, { limit: 3 })).done, 3)
})

test('a handler that never ends is an error in time, and is interrupted', async (context) => {
  // Of the system's clock, which bounds a drain.
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const { numbers } = lab()
  const began = Promise.withResolvers<AbortSignal>()
  await numbers.push(1, { id: 'one' })
  await numbers.pushBulk([2, 3], { ids: ['two', 'three'] })
  const draining = errorOf(
    drain(
      numbers,
      (_n, { signal }) => {
        began.resolve(signal)
        return new Promise<number>(() => {})
      },
      { within: '3s' },
    ),
  )
  const signal = await began.promise
  context.mock.timers.tick(2_999)
  assert.ok(!signal.aborted)
  context.mock.timers.tick(1)
  assert.equal(
    (await draining).message,
    `drain gave up: it took longer than 3000 ms; what remains:\n` +
      `  queue "numbers": 2 due, 1 running, 0 later\n` +
      `    task one (running, attempt 1): 1\n` +
      `    task two (pending, attempt 0): 2\n` +
      `    task three (pending, attempt 0): 3`,
  )
  assert.ok(signal.aborted)
})

test('what is due and does not run is an error that says why it may be', async () => {
  const { numbers, texts } = lab()
  await numbers.pushBulk(Array.from({ length: 8 }, (_, index) => index))
  await texts.push('x')
  await numbers.pause()
  const paused = await errorOf(
    drain([
      [texts, (text) => text],
      [numbers, (n) => n],
    ]),
  )
  assert.match(
    paused.message,
    /tasks are due that do not run; what remains:\n {2}queue "numbers" \(paused\): 8 due/,
  )
  assert.equal(paused.message.split('\n').length, 2 + 5)
  assert.equal(paused.drained.done, 1)

  await numbers.resume()
  const stopped = await errorOf(
    drain(numbers, (n, { worker }) => {
      worker.stop()
      return n
    }),
  )
  assert.match(stopped.message, /queue "numbers": 7 due/)
})

test('what remains of a failed task says how it failed', async () => {
  const { numbers } = lab()
  await numbers.push(1, { id: 'one' })
  const fail = (): never => {
    throw new RangeError('too far')
  }
  await drain(numbers, fail)
  await numbers.push(2)
  await numbers.pause()
  const { message } = await errorOf(drain(numbers, fail))
  assert.match(message, /1 due, 0 running, 1 later/)
  assert.match(message, /task one \(failed, attempt 1\), last RangeError: too far: 1/)
})

test('a storage that does not answer is an error too', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const { clock, store, numbers } = lab()
  await numbers.push(1)
  const held = store.holdBefore('count', { times: 100 })
  const draining = errorOf(drain(numbers, (n) => n))
  await held.reached
  context.mock.timers.tick(10_000)
  await clock.settle()
  context.mock.timers.tick(1_000)
  assert.match((await draining).message, /took longer than 10000 ms.*the storage does not answer/s)
  held.release()
})

test('a storage that cannot be looked at is told', async () => {
  const { store, numbers } = lab()
  await numbers.pushBulk([1, 2])
  store.failBefore('list', new Error('connection refused'))
  const { message } = await errorOf(drain(numbers, (n) => n, { limit: 1 }))
  assert.match(message, /and more are due; what remains:\n {2}nobody knows: .*connection refused$/)
  store.failBefore('count', new Error('connection refused'))
  await assert.rejects(
    drain(numbers, (n) => n),
    isBackendError,
  )
})

test('a worker that fails for good rejects', async () => {
  const { store, numbers } = lab()
  await numbers.push(1)
  const broken = new BackendError('claim', 'the schema is too new', { transient: false })
  store.failBefore('claim', broken, { times: 100 })
  await assert.rejects(
    drain(numbers, (n) => n),
    (error) => isWorkerError(error) && error.cause === broken,
  )
})

test('a storage that fails for a while is no matter', async () => {
  const { clock, store, numbers } = lab()
  await numbers.push(1)
  store.failAfter('settle', new Error('connection reset'))
  const draining = drain(numbers, (n) => n)
  await clock.advance('10s')
  assert.equal((await draining).done, 1)
})

test('by the clock of the system, too', async () => {
  const numbers = new MemoryStorage().queue<number>('numbers')
  await numbers.pushBulk([1, 2, 3])
  await numbers.push(4, { delay: '1h' })
  const { done, ends } = await drain(numbers, (n) => n.toFixed(1))
  assert.equal(done, 3)
  assert.deepEqual(
    ends.map(({ result }) => result),
    ['1.0', '2.0', '3.0'],
  )
  const advancing = drain(numbers, (n) => n, { advance: '1h' })
  await assert.rejects(advancing, /^OptionError: drain\.advance: .*TestClock, got "1h"$/)
})

test('wrong queues, runners and options are refused by name and value', async () => {
  const { numbers, texts } = lab()
  const run = (n: number): number => n
  const refused = (draining: () => Promise<unknown>, message: RegExp): Promise<void> =>
    assert.rejects(draining, (error) => error instanceof OptionError && message.test(error.message))
  const options = (given: unknown) => () => drain(numbers, run, given as {})
  await refused(options(5), /^drain: .*got 5$/)
  await refused(options({ times: 3 }), /^drain\.times: .*got 3$/)
  await refused(options({ limit: 0 }), /^drain\.limit: .*got 0$/)
  await refused(options({ within: 0 }), /^drain\.within: .*got 0$/)
  await refused(options({ within: 'soon' }), /^drain\.within: .*got "soon"$/)
  await refused(options({ advance: -1 }), /^drain\.advance: .*got -1$/)
  await refused(options({ data: 5 }), /^data: .*got 5$/)
  const other = new MemoryStorage({ clock: new TestClock() }).queue<string>('other')
  await refused(
    () =>
      drain(
        [
          [texts, (text) => text],
          [other, (text) => text],
        ],
        { advance: '1m' },
      ),
    /^drain\.advance: .*share one TestClock/,
  )
  await refused(() => drain({} as never, run), /^queue: .*poll.*got an object/)
  await refused(() => drain({ poll: () => {} } as never, run), /^queue: .*listTasks/)
  await refused(() => drain(numbers, undefined as never), /^run: .*got undefined$/)
  await refused(() => drain(numbers, { build: run } as never), /^build: /)
  await refused(() => drain([] as never), /^queues: .*at least one queue/)
  await refused(() => drain([numbers] as never), /^queues: .*pairs/)
  await refused(() => drain([[numbers, run]], { data: {} } as never), /^drain\.data: /)
  const elsewhere = (): unknown => new WorkerBuilder('other').backend(numbers).build(run)
  await refused(() => drain(numbers, { build: elsewhere } as never), /^build: /)
})
