import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { poll, type Poller, type PollStrategy } from '../../src/backend/poll.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestContext } from '../../src/testing/test-context.ts'

/** A poller, and how long each of its waits takes on a clock that only the test moves. */
function lab(strategy: PollStrategy): {
  readonly clock: TestClock
  readonly poller: Poller
  readonly waited: (found: number, most?: number) => Promise<number | undefined>
} {
  const clock = new TestClock()
  const poller = strategy({ clock, worker: new TestContext() })
  return {
    clock,
    poller,
    async waited(found, most = 120_000) {
      const start = clock.monotonic()
      const over = new AbortController()
      let end: number | undefined
      const wait = poller.wait(found, over.signal).then(() => {
        end ??= clock.monotonic() - start
      })
      await clock.settle()
      for (let passed = 0; passed < most && end === undefined; passed += 10) await clock.advance(10)
      const took = end
      over.abort()
      await wait
      assert.equal(clock.timers, 0, 'a wait leaves a timer')
      return took
    },
  }
}

describe('poll.interval', () => {
  test('waits for the same time, whatever was found', async () => {
    const { waited } = lab(poll.interval('250ms'))
    assert.deepEqual([await waited(0), await waited(5), await waited(0)], [250, 250, 250])
  })
})

describe('poll.backoff', () => {
  test('waits longer while nothing is found, up to the most, and begins anew when something is', async () => {
    const { waited } = lab(poll.backoff({ initial: 100, max: 500, factor: 2, jitter: 0 }))
    const waits = []
    for (const found of [0, 0, 0, 0, 3, 0, 0]) waits.push(await waited(found))
    assert.deepEqual(waits, [100, 200, 400, 500, 100, 200, 400])
  })

  test('jitters within its part', async () => {
    const { waited } = lab(poll.backoff({ initial: 1_000, max: 1_000, jitter: 0.2 }))
    for (let round = 0; round < 20; round += 1) {
      const ms = (await waited(0)) ?? 0
      assert.ok(ms >= 800 && ms <= 1_210, `${ms}`)
    }
  })
})

describe('poll.stream', () => {
  test('waits for the next item, and one that came early counts for the next wait', async () => {
    let tick = Promise.withResolvers<void>()
    const { waited, clock } = lab(
      poll.stream(async function* () {
        for (;;) {
          await tick.promise
          tick = Promise.withResolvers()
          yield
        }
      }),
    )
    assert.equal(await waited(0, 1_000), undefined)
    tick.resolve()
    await clock.settle()
    assert.equal(await waited(0), 0)
    assert.equal(await waited(0, 1_000), undefined)
  })

  test('a stream that has ended gives no more', async () => {
    const { waited } = lab(
      poll.stream(async function* () {
        yield 1
      }),
    )
    assert.equal(await waited(0), 0)
    assert.equal(await waited(0, 1_000), undefined)
    assert.equal(await waited(0, 1_000), undefined)
  })

  test('one that fails rejects the wait', async () => {
    const { poller } = lab(
      poll.stream(async function* () {
        yield* []
        throw new RangeError('no ticks')
      }),
    )
    await assert.rejects(poller.wait(0, new AbortController().signal), /no ticks/)
  })

  test('after a failure the next wait asks for another', async () => {
    let asked = 0
    const { poller, waited } = lab(
      poll.stream(async function* () {
        asked += 1
        if (asked < 3) throw new RangeError('no ticks')
        yield asked
      }),
    )
    const { signal } = new AbortController()
    await assert.rejects(poller.wait(0, signal), /no ticks/)
    await assert.rejects(poller.wait(0, signal), /no ticks/)
    assert.equal(await waited(0), 0)
  })

  test('what is none rejects the wait by name', async () => {
    const { poller } = lab(poll.stream(() => 3 as never))
    await assert.rejects(poller.wait(0, new AbortController().signal), /poll\.stream: expected/)
    poller.close?.()
  })

  test('is ended when the worker is done with it', async () => {
    let ended = false
    const { poller, waited } = lab(
      poll.stream(async function* () {
        try {
          for (;;) yield
        } finally {
          ended = true
        }
      }),
    )
    await waited(0)
    poller.close?.()
    await new Promise(setImmediate)
    assert.equal(ended, true)
  })
})

describe('poll.future', () => {
  test('waits for the promise made for it, and rejects as that does', async () => {
    const found: number[] = []
    const { waited, poller } = lab(
      poll.future(async (context) => {
        found.push(context.found)
        if (context.found > 1) throw new RangeError('no future')
      }),
    )
    assert.equal(await waited(0), 0)
    assert.equal(await waited(1), 0)
    await assert.rejects(poller.wait(2, new AbortController().signal), /no future/)
    assert.deepEqual(found, [0, 1, 2])
  })

  test('a promise that never settles does not outlast the abort', async () => {
    const { waited } = lab(poll.future(() => new Promise(() => {})))
    assert.equal(await waited(0, 1_000), undefined)
  })
})

describe('poll.race', () => {
  test('the first wins each time, the order does not matter, and the others leave nothing behind', async () => {
    const one = poll.interval(300)
    const other = poll.backoff({ initial: 100, max: 1_000, factor: 4, jitter: 0 })
    for (const strategy of [poll.race(one, other), poll.race(other, one)]) {
      const { waited } = lab(strategy)
      assert.deepEqual([await waited(0), await waited(0), await waited(1)], [100, 300, 100])
    }
  })
})

test('of a race that rejects or throws nothing is left, and its losers may fail as they like', async () => {
  const rejects: PollStrategy = poll.future(() => Promise.reject(new RangeError('no future')))
  const throws: PollStrategy = () => ({
    wait() {
      throw new RangeError('no wait')
    },
  })
  for (const loser of [rejects, throws]) {
    const { poller, clock } = lab(poll.race(poll.interval('1h'), loser))
    await assert.rejects(async () => poller.wait(0, new AbortController().signal), RangeError)
    assert.equal(clock.timers, 0)
  }
  const late = Promise.withResolvers<void>()
  const { waited } = lab(
    poll.race(
      poll.interval(10),
      poll.future(() => late.promise),
    ),
  )
  assert.equal(await waited(0), 10)
  late.reject(new RangeError('too late to matter'))
  // An unhandled rejection would fail this test file.
  await new Promise(setImmediate)
})

test('two workers with one strategy, and a worker that starts again, share nothing', async () => {
  const strategy = poll.race(
    poll.backoff({ initial: 100, max: 1_000, jitter: 0 }),
    poll.interval('1h'),
  )
  const one = lab(strategy)
  assert.deepEqual([await one.waited(0), await one.waited(0)], [100, 200])
  const other = lab(strategy)
  assert.deepEqual([await other.waited(0), await other.waited(0)], [100, 200])
  assert.equal(await one.waited(0), 400)
})

test('options that cannot be used are refused', () => {
  for (const [option, make] of [
    ['poll.interval', () => poll.interval(0)],
    ['poll.interval', () => poll.interval('soon' as never)],
    ['poll.backoff.initial', () => poll.backoff({ initial: -1 })],
    ['poll.backoff.max', () => poll.backoff({ initial: '2s', max: '1s' })],
    ['poll.backoff.factor', () => poll.backoff({ factor: 0.5 })],
    ['poll.backoff.jitter', () => poll.backoff({ jitter: 2 })],
    ['poll.backoff.maximum', () => poll.backoff({ maximum: 2 } as never)],
    ['poll.stream', () => poll.stream(3 as never)],
    ['poll.future', () => poll.future(undefined as never)],
    ['poll.race', () => poll.race()],
    ['poll.race', () => poll.race(3 as never)],
  ] as const) {
    assert.throws(make, (error) => error instanceof OptionError && error.option === option, option)
  }
})
