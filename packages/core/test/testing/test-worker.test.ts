import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json } from '../../src/codec/json.ts'
import { BackendError } from '../../src/errors/backend-errors.ts'
import { AbortError, OverloadedError, RetryAfterError } from '../../src/errors/task-errors.ts'
import { isWorkerError } from '../../src/errors/worker-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { timeout } from '../../src/layers/timeout.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import type { Layer } from '../../src/service/service.ts'
import { constant } from '../../src/task/backoff.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestWorker } from '../../src/testing/test-worker.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

function lab() {
  const clock = new TestClock()
  const storage = new MemoryStorage({ clock })
  const numbers = storage.queue('numbers', {
    args: json<number>(),
    result: json<number>(),
    backoff: constant('1m'),
    attempts: 2,
  })
  return { clock, numbers }
}

test('a task runs when it is asked for, and not before', async () => {
  const { clock, numbers } = lab()
  const ran: number[] = []
  await using worker = new TestWorker(numbers, (builder) =>
    builder.build((n) => {
      ran.push(n)
      return n * 2
    }),
  )
  const [one, two] = await numbers.pushBulk([1, 2])
  await clock.settle()
  assert.deepEqual(ran, [])
  assert.deepEqual(await worker.executeNext(), {
    taskId: one,
    attempt: 1,
    outcome: 'done',
    result: 2,
  })
  await clock.settle()
  assert.deepEqual(ran, [1])
  assert.equal((await worker.executeNext())?.taskId, two)
})

test('an end is durable when it is told, and listeners were told before', async () => {
  const { numbers } = lab()
  const events: string[] = []
  await using worker = new TestWorker(numbers, (builder) =>
    builder.onEvent(({ type }) => events.push(type)).build((n) => n * 2),
  )
  const id = await numbers.push(21)
  await worker.executeNext()
  assert.ok(events.includes('success'))
  assert.deepEqual(await numbers.checkStatus([id]), [{ id, status: 'done', result: 42 }])
})

test('nothing due is undefined, as often as one asks, and a later task is found', async () => {
  const { numbers } = lab()
  await using worker = new TestWorker(numbers, (builder) => builder.build((n) => n))
  assert.equal(await worker.executeNext(), undefined)
  assert.equal(await worker.executeNext(), undefined)
  await numbers.push(1)
  assert.equal((await worker.executeNext())?.result, 1)
  assert.equal(await worker.executeNext(), undefined)
  await numbers.push(2, { delay: '1m' })
  assert.equal(await worker.executeNext(), undefined)
})

test('a failed run says when it runs again, and does when the clock is there', async () => {
  const { clock, numbers } = lab()
  const error = new Error('no luck')
  await using worker = new TestWorker(numbers, (builder) =>
    builder.build(() => {
      throw error
    }),
  )
  const taskId = await numbers.push(1)
  const retryAt = new Date(clock.now() + 60_000)
  assert.deepEqual(await worker.executeNext(), {
    taskId,
    attempt: 1,
    outcome: 'failed',
    error,
    retryAt,
  })
  await clock.advance('59s')
  assert.equal(await worker.executeNext(), undefined)
  await clock.advance('1s')
  assert.deepEqual(await worker.executeNext(), { taskId, attempt: 2, outcome: 'killed', error })
})

test('what a handler or a layer decides is how it ends', async () => {
  const { clock, numbers } = lab()
  let thrown: Error = new AbortError('hopeless')
  const fail = (): never => {
    throw thrown
  }
  await using worker = new TestWorker(numbers, (builder) => builder.build(fail))
  await numbers.push(1)
  assert.equal((await worker.executeNext())?.outcome, 'killed')

  thrown = new RetryAfterError('busy', '5m', { countAttempt: false })
  await numbers.push(2)
  const snoozed = await worker.executeNext()
  assert.equal(snoozed?.outcome, 'released')
  assert.deepEqual(snoozed.retryAt, new Date(clock.now() + 300_000))

  await using shedding = new TestWorker(numbers, (builder) =>
    builder
      .use(async () => {
        throw new OverloadedError()
      })
      .build((n) => n),
  )
  await numbers.push(3)
  const shed = await shedding.executeNext()
  assert.equal(shed?.outcome, 'released')
  assert.ok(shed.error instanceof OverloadedError)
})

test('arguments that cannot be read end a run like anything else', async () => {
  const clock = new TestClock()
  const storage = new MemoryStorage({ clock })
  const id = await storage.queue('mixed', { args: json<unknown>() }).push('text')
  const strict = storage.queue('mixed', {
    args: {
      encode: (value: number) => String(value),
      decode: (stored) => {
        throw new TypeError(`not a number: ${stored}`)
      },
    },
  })
  await using worker = new TestWorker(strict, (builder) => builder.build((n) => n))
  const end = await worker.executeNext()
  assert.equal(end?.taskId, id)
  assert.equal(end.outcome, 'killed')
  assert.match(String(end.error), /not a number/)
})

test('a task that is taken away is lost', async () => {
  const { clock, numbers } = lab()
  const began = Promise.withResolvers<AbortSignal>()
  await using worker = new TestWorker(numbers, (builder) =>
    builder.build(async (_n, { signal }) => {
      began.resolve(signal)
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
      return 0
    }),
  )
  const id = await numbers.push(1)
  const ending = worker.executeNext()
  const signal = await began.promise
  await numbers.kill(id)
  await clock.settle()
  assert.deepEqual(await ending, { taskId: id, attempt: 1, outcome: 'lost' })
  assert.ok(signal.aborted)
})

test('the layers, the data and the options are those of a real worker', async () => {
  const { clock, numbers } = lab()
  await using worker = new TestWorker(
    numbers,
    (builder) =>
      builder
        .data({ factor: 3 })
        .extract({ half: ({ task }) => task.args / 2 })
        .layer(timeout('10s'))
        .build((n, { data }) =>
          n > 100 ? new Promise<number>(() => {}) : n * data.factor + data.half,
        ),
    { abortGrace: '2s' },
  )
  assert.equal(worker.context.name, 'test-worker')
  await numbers.push(2)
  assert.equal((await worker.executeNext())?.result, 7)
  await numbers.push(101)
  const ending = worker.executeNext()
  await clock.advance('12s')
  assert.match(String((await ending)?.error), /took longer than 10000 ms/)
})

test('calls made at once run one after the other', async () => {
  const { numbers } = lab()
  let running = 0
  let most = 0
  await using worker = new TestWorker(numbers, (builder) =>
    builder.build(async (n) => {
      running += 1
      most = Math.max(most, running)
      await new Promise(setImmediate)
      running -= 1
      return n
    }),
  )
  await numbers.pushBulk([1, 2, 3])
  const ends = await Promise.all(Array.from({ length: 4 }, () => worker.executeNext()))
  assert.deepEqual(
    ends.map((end) => end?.result),
    [1, 2, 3, undefined],
  )
  assert.equal(most, 1)
})

test('the stream gives every end until nothing is due', async () => {
  const { clock, numbers } = lab()
  await using worker = new TestWorker(numbers, (builder) =>
    builder.build((n, { attempt }) => {
      if (n === 2 && attempt === 1) throw new Error('once')
      return n
    }),
  )
  await numbers.pushBulk([1, 2, 3])
  const outcomes: string[] = []
  for await (const { outcome } of worker.stream()) outcomes.push(outcome)
  assert.deepEqual(outcomes, ['done', 'failed', 'done'])
  await clock.advance('1m')
  for await (const { attempt, result } of worker.stream()) {
    assert.deepEqual({ attempt, result }, { attempt: 2, result: 2 })
  }
})

test('a worker that stops, itself or from outside, has no next task', async () => {
  const { numbers } = lab()
  await numbers.pushBulk([1, 2])
  const worker = new TestWorker(numbers, (builder) =>
    builder.build((n, request) => {
      request.worker.stop()
      return n
    }),
  )
  assert.equal((await worker.executeNext())?.result, 1)
  assert.equal(await worker.executeNext(), undefined)

  const stopped = new TestWorker(numbers, (builder) => builder.build((n) => n))
  await stopped.stop()
  assert.equal(await stopped.executeNext(), undefined)
  assert.equal((await numbers.metrics()).pending, 1)
})

test('stopping lets the task that runs finish, and leaves no timers', async () => {
  const { clock, numbers } = lab()
  const began = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const worker = new TestWorker(numbers, (builder) =>
    builder.build(async (n) => {
      began.resolve()
      await finish.promise
      return n
    }),
  )
  await numbers.push(7)
  const ending = worker.executeNext()
  await began.promise
  const stopping = worker.stop()
  await clock.settle()
  assert.equal(worker.context.state, 'stopping')
  finish.resolve()
  assert.equal((await ending)?.result, 7)
  await stopping
  await clock.settle()
  assert.equal(worker.context.state, 'stopped')
  assert.equal(clock.timers, 0)
})

test('aborting interrupts what runs', async () => {
  const { numbers } = lab()
  const began = Promise.withResolvers<void>()
  const worker = new TestWorker(numbers, (builder) =>
    builder.build(
      (_n, { signal }) =>
        new Promise<number>((_, reject) => {
          began.resolve()
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    ),
  )
  const taskId = await numbers.push(7)
  const ending = worker.executeNext()
  await began.promise
  worker.abort()
  const end = await ending
  assert.equal(end?.outcome, 'released')
  assert.equal(end.error, undefined)
  await worker.stop()
  assert.equal((await numbers.fetchById(taskId))?.parts.attempt.current, 0)
})

test('a task given back before it began has not ended: it runs when there is room', async () => {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const numbers = new Storage(store, { clock }).queue<number>('numbers')
  let room = 1
  const door: Layer = (inner) => ({
    call: (request) => inner.call(request),
    capacity: () => room,
  })
  await using worker = new TestWorker(numbers, (builder) => builder.layer(door).build((n) => n))
  await numbers.push(1)
  const claim = store.holdAfter('claim')
  const ending = worker.executeNext()
  await claim.reached
  room = 0
  claim.release()
  await clock.settle()
  assert.equal((await numbers.metrics()).running, 1)
  await clock.advance('2s')
  assert.equal((await numbers.metrics()).pending, 1)
  room = 1
  await clock.advance('1s')
  assert.equal((await ending)?.result, 1)
  assert.equal(store.calls('claim').length, 2)
})

test('a worker that fails for good rejects', async () => {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const queue = new Storage(store, { clock }).queue<number>('numbers')
  const broken = new BackendError('claim', 'the schema is too new', { transient: false })
  store.failBefore('claim', broken, { times: 1_000 })
  await using worker = new TestWorker(queue, (builder) => builder.build((n) => n))
  const isTheFailure = (error: unknown): boolean => isWorkerError(error) && error.cause === broken
  await assert.rejects(worker.executeNext(), isTheFailure)
  await assert.rejects(worker.executeNext(), isTheFailure)
})

test('what builds no worker, or another one, is refused', () => {
  const { numbers } = lab()
  const handler = (n: number): number => n
  const wrong = (build: unknown): void => {
    assert.throws(() => new TestWorker(numbers, build as never), OptionError)
  }
  wrong(handler)
  wrong(undefined)
  wrong(() => new WorkerBuilder('other').backend(numbers).build(handler))
})

test('the ends have the result of the handler', async () => {
  const { numbers } = lab()
  await using worker = new TestWorker(numbers, (builder) =>
    builder.data({ text: 'x' }).build((n, { data }) => n + data.text.length),
  )
  await numbers.push(1)
  const result: number | undefined = (await worker.executeNext())?.result
  assert.equal(result, 2)
  // @ts-expect-error The queue keeps numbers.
  void new TestWorker(numbers, (builder) => builder.build(() => 'text'))
  // @ts-expect-error Nobody gave a factor.
  void new TestWorker(numbers, (builder) => builder.build((n, { data }) => n * data.factor))
})
