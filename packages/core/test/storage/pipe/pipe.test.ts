import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { json } from '../../../src/codec/json.ts'
import { isBackendError } from '../../../src/errors/backend-errors.ts'
import { isWorkerError } from '../../../src/errors/worker-errors.ts'
import { OptionError } from '../../../src/internal/validate.ts'
import { concurrency } from '../../../src/layers/concurrency.ts'
import type { Event } from '../../../src/service/events.ts'
import { MemoryStorage } from '../../../src/storage/memory/memory-storage.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import type { PipeOptions } from '../../../src/storage/pipe/pipe-options.ts'
import { pipe, type PipeSource } from '../../../src/storage/pipe/pipe.ts'
import type { Queue } from '../../../src/storage/queue.ts'
import { Storage } from '../../../src/storage/storage.ts'
import { FaultyStore } from '../../../src/testing/faulty-store.ts'
import { TestClock } from '../../../src/testing/test-clock.ts'
import { WorkerBuilder } from '../../../src/worker/worker-builder.ts'
import type { Worker } from '../../../src/worker/worker.ts'

interface Lab {
  readonly worker: Worker
  readonly ran: number[]
  readonly events: Event[]
}

function workerOn(
  source: PipeSource<number>,
  queue: Queue<number, number>,
  options: PipeOptions<number>,
  handle: (n: number) => unknown = () => undefined,
): Lab {
  const ran: number[] = []
  const events: Event[] = []
  const worker = new WorkerBuilder('worker')
    .backend(pipe(source).to(queue, options))
    .layer(concurrency(2))
    .onEvent((event) => {
      events.push(event)
    })
    .build((n) => {
      ran.push(n)
      return handle(n)
    })
  return { worker, ran, events }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

async function* slowly<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  for (const item of items) {
    await new Promise(setImmediate)
    yield item
  }
}

test('everything that a source gives runs once, and its end stops the worker, whatever it is', async () => {
  const sources: readonly PipeSource<number>[] = [
    numbers(250),
    new Set(numbers(250)),
    slowly(numbers(250)),
    Readable.from(numbers(250)),
    new ReadableStream({
      start(controller) {
        for (const n of numbers(250)) controller.enqueue(n)
        controller.close()
      },
    }),
    () => slowly(numbers(250)),
  ]
  for (const source of sources) {
    const queue = new MemoryStorage().queue<number>('numbers')
    const { worker, ran } = workerOn(source, queue, { atEnd: 'stop' })
    await worker.run()
    assert.deepEqual(ran, numbers(250))
    assert.equal((await queue.metrics()).done, 250)
  }
})

test('the source is read no further ahead of the workers than it may', async () => {
  const queue = new MemoryStorage().queue<number>('numbers')
  let given = 0
  let ended = 0
  let most = 0
  const { worker } = workerOn(
    (function* () {
      for (const n of numbers(500)) {
        given += 1
        most = Math.max(most, given - ended)
        yield n
      }
    })(),
    queue,
    { ahead: 10, atEnd: 'stop' },
    async () => {
      await new Promise(setImmediate)
      ended += 1
    },
  )
  await worker.run()
  assert.equal(ended, 500)
  // Those that may wait, those that run, and the one that is asked for.
  assert.ok(most <= 13, `${most}`)
})

test('nothing is lost when the worker stops: what was taken is in the queue, and the source is ended', async () => {
  const queue = new MemoryStorage().queue<number>('numbers')
  let given = 0
  let returned = false
  const { worker, ran } = workerOn(
    (async function* () {
      try {
        for (;;) {
          await new Promise(setImmediate)
          given += 1
          yield given
        }
      } finally {
        returned = true
      }
    })(),
    queue,
    { ahead: 5 },
    (n) => {
      if (n === 20) worker.stop()
    },
  )
  await worker.run()
  for (let turns = 0; turns < 10; turns += 1) await new Promise(setImmediate)
  assert.equal(returned, true)
  const { done, pending } = await queue.metrics()
  assert.equal(done + pending, given)
  assert.equal(done, ran.length)
})

test('an item that comes after the stop is stored', async () => {
  const queue = new MemoryStorage().queue<number>('numbers')
  const late = Promise.withResolvers<number>()
  const asked = Promise.withResolvers<void>()
  const { worker } = workerOn(
    (async function* () {
      asked.resolve()
      yield await late.promise
    })(),
    queue,
    { id: (n) => `item-${n}` },
  )
  await worker.runUntil(asked.promise)
  late.resolve(7)
  for (let turns = 0; turns < 10; turns += 1) await new Promise(setImmediate)
  assert.equal((await queue.fetchById('item-7'))?.args, 7)
})

test('under ids of its own a source may be read again from its beginning', async () => {
  const queue = new MemoryStorage().queue<number>('numbers')
  const options = { id: (n: number) => `n-${n}`, atEnd: 'stop' } as const
  const first = workerOn(numbers(50), queue, options)
  await first.worker.run()
  const second = workerOn(numbers(60), queue, options)
  await second.worker.run()
  assert.deepEqual(second.ran, [50, 51, 52, 53, 54, 55, 56, 57, 58, 59])
})

test('a source that fails ends the worker, once what it gave is stored', async () => {
  const queue = new MemoryStorage().queue<number>('numbers')
  const { worker } = workerOn(
    (function* () {
      yield* numbers(5)
      throw new RangeError('line 6 is no number')
    })(),
    queue,
    {},
  )
  await assert.rejects(worker.run(), (error) => {
    assert.ok(isWorkerError(error))
    assert.ok(isBackendError(error.cause))
    assert.equal(error.cause.operation, 'source')
    return error.message.includes('line 6 is no number')
  })
  const { done, pending } = await queue.metrics()
  assert.equal(done + pending, 5)
})

test('or is opened again after a pause, which is told', async () => {
  const clock = new TestClock()
  const queue = new MemoryStorage({ clock }).queue<number>('numbers')
  let opened = 0
  const { worker, ran, events } = workerOn(
    async function* () {
      opened += 1
      yield* numbers(opened * 2)
      if (opened < 3) throw new RangeError('cut off')
    },
    queue,
    { onSourceError: 'continue', id: (n) => `n-${n}`, atEnd: 'stop' },
  )
  const running = worker.run()
  while (worker.context.state !== 'stopped') await clock.advance('1s')
  await running
  assert.deepEqual(ran, numbers(6))
  const errors = events.filter((event) => event.type === 'error' && 'operation' in event)
  assert.deepEqual(
    errors.map((event) => ('operation' in event ? event.operation : '')),
    ['source', 'source'],
  )
})

test('an item that cannot be stored ends the worker, or is dropped and told', async () => {
  for (const onSinkError of ['end', 'continue'] as const) {
    const queue = new MemoryStorage().queue('numbers', { args: json<number>() })
    const source = [1, 2, Number.NaN, 4, Number.NaN, 6]
    const { worker, ran, events } = workerOn(source, queue, { onSinkError, atEnd: 'stop' })
    if (onSinkError === 'end') {
      await assert.rejects(worker.run(), (error) => {
        return (
          isWorkerError(error) && isBackendError(error.cause) && error.cause.operation === 'sink'
        )
      })
      continue
    }
    await worker.run()
    assert.deepEqual(ran, [1, 2, 4, 6])
    const dropped = events.filter((event) => event.type === 'dropped')
    assert.deepEqual(
      dropped.map((event) => [event.what, event.count]),
      [
        ['items', 1],
        ['items', 1],
      ],
    )
  }
})

test('while the storage fails the source waits; then it goes on, and nothing is stored twice', async () => {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const queue = new Storage(store, { clock }).queue<number>('numbers')
  store.failBefore('insert', new Error('no connection'), { times: 2 })
  store.failAfter('insert', new Error('connection lost'), { skip: 2, times: 2 })
  store.failBefore('count', new Error('no connection'))
  const { worker, ran, events } = workerOn(numbers(300), queue, { atEnd: 'stop' })
  const running = worker.run()
  while (worker.context.state !== 'stopped') await clock.advance('500ms')
  await running
  assert.deepEqual(ran, numbers(300))
  const sinks = events.filter((event) => 'operation' in event && event.operation === 'sink')
  assert.equal(sinks.length, 5)
  assert.equal(clock.timers, 0)
})

test('several workers share one pipe; a failed task is waited for before the end', async () => {
  const clock = new TestClock()
  const queue = new MemoryStorage({ clock }).queue<number>('numbers', { backoff: () => '5s' })
  const backend = pipe(slowly(numbers(100))).to(queue, { atEnd: 'stop' })
  const ran: number[] = []
  const workers = ['a', 'b'].map((name) =>
    new WorkerBuilder(name).backend(backend).build((n, { attempt }) => {
      if (n === 99 && attempt === 1) throw new Error('once')
      ran.push(n)
    }),
  )
  const running = Promise.all(workers.map((worker) => worker.run()))
  while (workers.some(({ context }) => context.state !== 'stopped')) await clock.advance('500ms')
  await running
  assert.deepEqual(
    ran.toSorted((one, other) => one - other),
    numbers(100),
  )
})

test('without atEnd the worker stays for what else is pushed', async () => {
  const queue = new MemoryStorage().queue<number>('numbers')
  const { worker, ran } = workerOn(numbers(3), queue, {}, (n) => {
    if (n === 2) void queue.push(100)
    if (n === 100) worker.stop()
  })
  await worker.run()
  assert.deepEqual(ran, [0, 1, 2, 100])
})

test('what cannot be piped, and options that cannot be used, are refused', () => {
  const queue = new MemoryStorage().queue<number>('numbers')
  assert.throws(() => pipe(3 as never), OptionError)
  assert.throws(() => pipe(undefined as never), OptionError)
  for (const [option, options] of [
    ['pipe.ahead', { ahead: 0 }],
    ['pipe.id', { id: 'n' }],
    ['pipe.onSourceError', { onSourceError: 'stop' }],
    ['pipe.onSinkError', { onSinkError: true }],
    ['pipe.atEnd', { atEnd: 'drain' }],
    ['pipe.end', { end: 'stop' }],
  ] as const) {
    assert.throws(
      () => pipe([1]).to(queue, options as never),
      (error) => error instanceof OptionError && error.option === option,
      option,
    )
  }
  // @ts-expect-error: the queue takes numbers.
  pipe(['a']).to(queue)
})
