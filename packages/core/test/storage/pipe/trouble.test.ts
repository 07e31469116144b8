import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { isWorkerError } from '../../../src/errors/worker-errors.ts'
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

interface Lab<Item> {
  readonly worker: Worker
  readonly ran: Item[]
  /** What was told, in short. */
  readonly told: string[]
}

function lab<Item>(
  source: PipeSource<Item>,
  options: PipeOptions<Item>,
  queue: Queue<Item, Item> = new MemoryStorage().queue<Item>('items'),
): Lab<Item> {
  const ran: Item[] = []
  const told: string[] = []
  const worker = new WorkerBuilder('worker')
    .backend(pipe(source).to(queue, options))
    .onEvent((event) => {
      const text = textOf(event)
      if (text !== undefined) told.push(text)
    })
    .build((item) => {
      ran.push(item)
    })
  return { worker, ran, told }
}

function textOf(event: Event): string | undefined {
  if (event.type === 'dropped') return `dropped ${event.count} ${event.what}`
  if (event.type === 'error' && 'operation' in event) return String(event.error)
  return undefined
}

const badIds: readonly (readonly [string, (n: number) => string])[] = [
  ['that throws', (n) => (n === 2 ? fail() : `n-${n}`)],
  ['that is empty', (n) => (n === 2 ? '' : `n-${n}`)],
  ['that is too long', (n) => 'n'.repeat(n === 2 ? 256 : n)],
  // What no type allows, JavaScript may pass.
  ['that is no text', (n) => (n === 2 ? n : `n-${n}`) as string],
]

function fail(): never {
  throw new RangeError('no id')
}

for (const [what, id] of badIds) {
  test(`an id ${what} costs its own item: the others are stored, and the worker ends or goes on`, async () => {
    const going = lab([1, 2, 3], { id, onSinkError: 'continue', atEnd: 'stop' })
    await going.worker.run()
    assert.deepEqual(going.ran, [1, 3])
    assert.deepEqual(going.told.slice(1), ['dropped 1 items'])
    const queue = new MemoryStorage().queue<number>('items')
    const ending = lab([1, 2, 3], { id }, queue)
    await assert.rejects(
      ending.worker.run(),
      (error) => isWorkerError(error) && error.message.includes('cannot sink'),
    )
    const { done, pending } = await queue.metrics()
    assert.equal(done + pending, 2)
  })
}

test('an id that throws for an item that comes after the stop is a warning', async () => {
  const late = Promise.withResolvers<number>()
  const asked = Promise.withResolvers<void>()
  const { worker } = lab(
    (async function* () {
      asked.resolve()
      yield await late.promise
    })(),
    { id: fail },
  )
  await worker.runUntil(asked.promise)
  const warned = once(process, 'warning') as Promise<[Error]>
  late.resolve(1)
  assert.match((await warned)[0].message, /an item of a pipe was not stored: no id/)
})

test('items that are no values of the queue are dropped by their place, bytes and undefined too', async () => {
  const source = [Buffer.from('a'), undefined, 'b'] as readonly (string | undefined)[]
  const { worker, ran, told } = lab(source, { onSinkError: 'continue', atEnd: 'stop' })
  await worker.run()
  assert.deepEqual(ran, ['b'])
  assert.match(told.join('\n'), /an instance of Buffer[^]*dropped 1[^]*undefined[^]*dropped 1/)
})

test('a storage that stays away does not keep a worker that stops: it tries for a while, with pauses, and tells', async () => {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const queue = new Storage(store, { clock }).queue<number>('items')
  store.failBefore('insert', new Error('no connection'), { times: 1_000_000 })
  const { worker, told } = lab([1, 2, 3], {}, queue)
  const running = worker.run()
  await clock.advance('1m')
  const before = told.length
  worker.stop()
  await clock.advance('9s')
  assert.equal(worker.context.state, 'stopping')
  assert.ok(told.length - before < 10, `${told.length - before} tries`)
  await clock.advance('10s')
  await running
  assert.equal(told.at(-1), 'dropped 3 items')
  assert.equal(clock.timers, 0)
})

test('what was taken when the worker stops is stored as soon as the storage is there', async () => {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const queue = new Storage(store, { clock }).queue<number>('items')
  store.failBefore('insert', new Error('no connection'), { times: 8 })
  const { worker } = lab([1, 2, 3], {}, queue)
  const running = worker.run()
  await clock.advance('2s')
  worker.stop()
  await clock.advance('20s')
  await running
  assert.equal((await queue.metrics()).pending, 3)
})

test('a stream of Node that waits for its next item is ended by the stop', async () => {
  const idle = new PassThrough({ objectMode: true })
  const { worker, ran } = lab(idle, {})
  const running = worker.run()
  idle.write('a')
  while (ran.length === 0) await new Promise(setImmediate)
  worker.stop()
  await running
  assert.equal(idle.destroyed, true)
})

test('a stream that fails before anybody reads it is a source that fails', async () => {
  const stream = new PassThrough({ objectMode: true })
  const { worker } = lab(stream, {})
  stream.destroy(new RangeError('socket gone'))
  await new Promise((resolve) => stream.once('close', resolve))
  await assert.rejects(worker.run(), /cannot source: socket gone/)
})

test('a source that was given as it is fails once: what it gave is run, and that is its end', async () => {
  const sources: readonly (() => PipeSource<number>)[] = [
    () =>
      (function* () {
        yield* [1, 2]
        throw new RangeError('broken')
      })(),
    () =>
      Readable.from(
        (async function* () {
          yield* [1, 2]
          await new Promise(setImmediate)
          await new Promise(setImmediate)
          throw new RangeError('broken')
        })(),
      ),
    () => {
      let asked = 0
      return new ReadableStream<number>({
        pull(controller) {
          asked += 1
          if (asked > 2) controller.error(new RangeError('broken'))
          else controller.enqueue(asked)
        },
      })
    },
  ]
  for (const source of sources) {
    const { worker, ran, told } = lab(source(), { onSourceError: 'continue', atEnd: 'stop' })
    await worker.run()
    assert.deepEqual(told, ['BackendError: cannot source: broken'])
    assert.ok(ran.length <= 2)
    const ending = lab(source(), {})
    await assert.rejects(ending.worker.run(), /cannot source: broken/)
  }
})

test('a web stream that somebody else reads is a source that fails; one that was cancelled has ended', async () => {
  const locked = new ReadableStream<number>()
  locked.getReader()
  await assert.rejects(lab(locked, {}).worker.run(), /cannot source: .*locked/)
  const cancelled = new ReadableStream<number>()
  await cancelled.cancel()
  await lab(cancelled, { atEnd: 'stop' }).worker.run()
})

test('stopped at any turn, what was taken is stored once, and read on by the next worker', async () => {
  for (let turns = 0; turns < 24; turns += 1) {
    const queue = new MemoryStorage().queue<number>('items')
    let given = 0
    async function* source(): AsyncGenerator<number> {
      for (; given < 400; given += 1) {
        if (given % 7 === 0) await new Promise(setImmediate)
        yield given
      }
    }
    const options = { ahead: 20, id: (n: number) => `n-${n}`, atEnd: 'stop' } as const
    const first = lab(source, options, queue)
    const running = first.worker.run()
    for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
    first.worker.stop()
    await running
    // What the source was asked for by then comes later than the worker's end.
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    const { done, pending } = await queue.metrics()
    assert.equal(done, first.ran.length)
    assert.ok(done + pending <= given + 1 && done + pending >= given - 1, `${turns} turns`)
    given = 0
    const second = lab(source, options, queue)
    await second.worker.run()
    const ran = [...first.ran, ...second.ran].toSorted((one, other) => one - other)
    assert.deepEqual(
      ran,
      Array.from({ length: 400 }, (_, n) => n),
    )
  }
})
