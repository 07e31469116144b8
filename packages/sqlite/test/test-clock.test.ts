import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  constant,
  isLeaseLostError,
  isTimeoutError,
  json,
  MemoryStorage,
  type Queue,
  sleep,
  Storage,
  WorkerBuilder,
} from '@apalis/core'
import {
  assertPushed,
  drain,
  FaultyStore,
  TestClock,
  TestContext,
  TestWorker,
} from '@apalis/core/testing'
import { SqliteStorage } from '@apalis/sqlite'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

/** A storage by a clock of the test's, closed at its end. */
interface Lab extends AsyncDisposable {
  readonly clock: TestClock
  readonly storage: Storage
  readonly numbers: Queue<number, number, number>
}

const labs: Readonly<Record<string, () => Promise<Lab>>> = {
  memory: async () => {
    const clock = new TestClock()
    return labOf(clock, new MemoryStorage({ clock }))
  },
  'SQLite :memory:': async () => {
    const clock = new TestClock()
    return labOf(clock, await SqliteStorage.open(':memory:', { clock }))
  },
  'an SQLite file': async () => {
    const clock = new TestClock()
    const folder = testFolder()
    return labOf(clock, await SqliteStorage.open(folder.file(), { clock }), folder)
  },
}

function labOf(clock: TestClock, storage: Storage, folder?: Disposable): Lab {
  const numbers = storage.queue('numbers', {
    args: json<number>(),
    result: json<number>(),
    backoff: constant('1m'),
  })
  return {
    clock,
    storage,
    numbers,
    async [Symbol.asyncDispose]() {
      await storage.close()
      folder?.[Symbol.dispose]()
    },
  }
}

/** The seconds since the start at which something happened. */
function log(clock: TestClock): {
  readonly at: [number, number][]
  readonly note: (n: number) => void
} {
  const start = clock.now()
  const at: [number, number][] = []
  return { at, note: (n) => at.push([n, (clock.now() - start) / 1_000]) }
}

for (const [name, open] of Object.entries(labs)) {
  test(`${name}: a delayed task runs when the clock is there, and not before`, async () => {
    await using lab = await open()
    const { clock, numbers } = lab
    const { at, note } = log(clock)
    await using worker = new WorkerBuilder('worker').backend(numbers).build((n) => {
      note(n)
      return n
    })
    const running = worker.run()
    await numbers.push(1, { delay: '5m' })
    await numbers.push(2, { runAt: new Date(clock.now() + 90_000) })
    await clock.advance('89s')
    assert.deepEqual(at, [])
    await clock.advance('1s')
    assert.deepEqual(at, [[2, 90]])
    await clock.advance('10m')
    assert.deepEqual(at, [
      [2, 90],
      [1, 300],
    ])
    worker.stop()
    await running
    assert.equal(clock.timers, 0)
  })

  test(`${name}: one advance runs every retry on the way, each at its moment`, async () => {
    await using lab = await open()
    const { clock, numbers } = lab
    const { at, note } = log(clock)
    await using worker = new WorkerBuilder('worker').backend(numbers).build((n, { attempt }) => {
      note(attempt)
      if (attempt < 4) throw new Error('no luck')
      return n
    })
    const running = worker.run()
    const id = await numbers.push(7)
    await clock.advance('10m')
    assert.deepEqual(at, [
      [1, 0],
      [2, 60],
      [3, 120],
      [4, 180],
    ])
    assert.equal(await numbers.result(id), 7)
    worker.stop()
    await running
  })

  test(`${name}: a lease is kept for as long as the handler takes, however far one advance goes`, async () => {
    await using lab = await open()
    const { clock, numbers } = lab
    const signals: AbortSignal[] = []
    const build = (worker: string) =>
      new WorkerBuilder(worker).backend(numbers).build(async (n, { signal }) => {
        signals.push(signal)
        await sleep(clock, 600_000, { signal })
        return n
      })
    await using one = build('one')
    await using other = build('other')
    const running = [one.run(), other.run()]
    const id = await numbers.push(7)
    await clock.advance('5m')
    assert.equal((await numbers.metrics()).running, 1)
    await clock.advance('5m')
    assert.equal(await numbers.result(id), 7)
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [false],
    )
    one.stop()
    other.stop()
    await Promise.all(running)
  })

  test(`${name}: what a dead worker held runs elsewhere once its lease has lapsed`, async () => {
    await using lab = await open()
    const { clock, numbers } = lab
    const { at, note } = log(clock)
    const id = await numbers.push(7)
    // It claims, and is never heard of again.
    const claimed = await numbers
      .poll(new TestContext('dead'))
      .next(1, new AbortController().signal)
    assert.equal(claimed?.[0]?.parts.taskId, id)
    await using worker = new WorkerBuilder('alive').backend(numbers).build((n) => {
      note(n)
      return n
    })
    const running = worker.run()
    await clock.advance('29s')
    assert.deepEqual(at, [])
    assert.equal((await numbers.metrics()).running, 1)
    await clock.advance('2s')
    assert.deepEqual(at, [[7, 30]])
    const task = await assertPushed(numbers, { id, status: 'done', attempt: 1 })
    assert.equal(task.parts.context.rescues, 1)
    worker.stop()
    await running
  })

  test(`${name}: waiting for a result ends by the clock`, async () => {
    await using lab = await open()
    const { clock, numbers } = lab
    const id = await numbers.push(7)
    const waiting = assert.rejects(numbers.result(id, { timeout: '10s' }), isTimeoutError)
    await clock.advance('10s')
    await waiting
  })

  test(`${name}: a TestWorker finds a retry when the clock is there`, async () => {
    await using lab = await open()
    const { clock, numbers } = lab
    await using worker = new TestWorker(numbers, (builder) =>
      builder.build((n, { attempt }) => {
        if (attempt === 1) throw new Error('no luck')
        return n
      }),
    )
    await numbers.push(7)
    const failed = await worker.executeNext()
    assert.equal(failed?.outcome, 'failed')
    assert.deepEqual(failed.retryAt, new Date(clock.now() + 60_000))
    assert.equal(await worker.executeNext(), undefined)
    await clock.advance('1m')
    assert.deepEqual(
      [await worker.executeNext(), await worker.executeNext()].map((end) => end?.result),
      [7, undefined],
    )
  })

  test(`${name}: a queue is drained with what becomes due later`, async () => {
    await using lab = await open()
    const { clock, numbers } = lab
    const { at, note } = log(clock)
    await numbers.push(1)
    await numbers.push(2, { delay: '90s', priority: 5 })
    await numbers.push(3, { delay: '2d' })
    const { ends: _ends, ...counts } = await drain(
      numbers,
      async (n, { attempt }) => {
        note(n)
        if (n === 1 && attempt < 3) throw new Error('no luck')
        if (n === 2) await numbers.push(4, { delay: '30s' })
        return n
      },
      { advance: '1d' },
    )
    assert.deepEqual(counts, { done: 3, failed: 2, killed: 0, released: 0, lost: 0 })
    assert.deepEqual(at, [
      [1, 0],
      [1, 60],
      [2, 90],
      [1, 120],
      [4, 120],
    ])
    await assertPushed(numbers, { args: 3, status: 'pending', delay: '2d' })
    await assertPushed(numbers, { status: 'done' }, { count: 3 })
    assert.equal(clock.timers, 0)
  })
}

test('a worker that cannot beat loses its tasks by the clock, and another of the file runs them', async () => {
  using folder = testFolder()
  const clock = new TestClock()
  const cut = new FaultyStore(await openStore(folder.file(), { clock }))
  await using one = new Storage(cut, { clock })
  await using other = await SqliteStorage.open(folder.file(), { clock })
  const ran: string[] = []
  const signals: AbortSignal[] = []
  const build = (storage: Storage, name: string) =>
    new WorkerBuilder(name).backend(storage.queue<number>('numbers')).build((_n, { signal }) => {
      ran.push(name)
      signals.push(signal)
      // The first run never ends by itself.
      return signals.length === 1 ? new Promise<void>(() => {}) : undefined
    })
  await using first = build(one, 'first')
  const running = first.run()
  await one.queue<number>('numbers').push(1)
  await clock.settle()
  cut.failBefore('beat', new Error('connection reset'), { times: 1_000 })
  cut.failBefore('leave', new Error('connection reset'), { times: 1_000 })
  await using second = build(other, 'second')
  const runningToo = second.run()
  await clock.advance('24s')
  assert.equal(signals[0]?.aborted, false)
  await clock.advance('1s')
  assert.ok(isLeaseLostError(signals[0]?.reason))
  assert.deepEqual(ran, ['first'])
  await clock.advance('6s')
  assert.deepEqual(ran, ['first', 'second'])
  first.stop()
  second.stop()
  await clock.advance('10s')
  await Promise.all([running, runningToo])
})
