import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal, RateLimitedError } from '../../src/errors/task-errors.ts'
import { rateLimit } from '../../src/layers/rate-limit.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import type { Clock } from '../../src/time/clock.ts'
import { never, settled, user } from './lab.ts'

describe('tokens', () => {
  test('are taken by calls, and come back one by one, never more than the bucket holds', async () => {
    const { service, pass, clock } = user(rateLimit({ limit: 4, per: '1s', burst: 3 }))
    assert.equal(service.capacity(), 3)
    for (let left = 2; left >= 0; left -= 1) {
      await pass()
      assert.equal(service.capacity(), left)
    }
    for (const [advance, expected] of [
      [249, 0],
      [1, 1],
      [249, 1],
      [1, 2],
      [250, 3],
      [250, 3],
      [3_600_000, 3],
    ] as const) {
      await clock.advance(advance)
      assert.equal(service.capacity(), expected, `after ${advance} ms`)
    }
  })

  test('are those by then for a capacity ahead, at most what the bucket holds', async () => {
    const { service, pass, clock } = user(rateLimit({ limit: 10, burst: 5 }))
    assert.equal(service.capacity(1_000), 5)
    for (let index = 0; index < 5; index += 1) await pass()
    assert.equal(service.capacity(99), 0)
    assert.equal(service.capacity(100), 1)
    assert.equal(service.capacity(350), 3)
    assert.equal(service.capacity(9_000), 5)
    await clock.advance(60)
    assert.equal(service.capacity(40), 1)
  })

  test('come at an interval that is no whole number without drifting', () => {
    let now = 0
    const clock: Clock = {
      now: () => now,
      monotonic: () => now,
      setTimer: () => assert.fail('nobody waits'),
    }
    const layer = rateLimit({ limit: 7, per: '3s', burst: 5 })
    const service = layer({ call: () => 1 })
    let passed = 0
    for (; now <= 3_000_000; now += 10) {
      while (layer.tokens > 0) passed += Number(service.call(testRequest('', { clock })))
    }
    // A full bucket at first, then 7 every 3 seconds.
    assert.equal(passed, 5 + 7 * 1_000)
  })

  test('come not a millisecond early, however long the interval is', async () => {
    const { service, pass, clock } = user(rateLimit({ limit: 1, per: '365d' }))
    await pass()
    await clock.advance(365 * 86_400_000 - 1)
    assert.equal(service.capacity(), 0)
    await clock.advance(1)
    assert.equal(service.capacity(), 1)
  })

  test('are evenly spaced unless a burst is given', async () => {
    const { service, pass, clock } = user(rateLimit({ limit: 60, per: '1m' }))
    assert.equal(service.capacity(), 1)
    await pass()
    await clock.advance('1h')
    assert.equal(service.capacity(), 1)
  })

  test('above 100 a second come by as many as come in 10 ms', () => {
    assert.equal(rateLimit({ limit: 1_000 }).tokens, 10)
    assert.equal(rateLimit({ limit: 100 }).tokens, 1)
    assert.equal(rateLimit({ limit: 1_000, per: '1h' }).tokens, 1)
    assert.equal(rateLimit({ limit: 1_000, burst: 1 }).tokens, 1)
  })

  test('of one instance are shared by all its users', async () => {
    const layer = rateLimit({ limit: 2, per: '1s', burst: 2 })
    const one = user(layer)
    const other = user(layer, one)
    await one.pass()
    assert.equal(other.service.capacity(), 1)
    await other.pass()
    assert.equal(layer.tokens, 0)
    assert.equal(one.service.capacity(), 0)
  })
})

describe('a call', () => {
  test('keeps its result, synchronous or not, and its error', async () => {
    const layer = rateLimit({ limit: 10, burst: 10 })
    assert.equal(layer({ call: () => 5 }).call(testRequest('')), 5)
    const { mock, call } = user(layer)
    const good = call()
    const answered = await mock.request()
    answered.respond('done')
    assert.equal(await good.result, 'done')
    const bad = call()
    const failing = await mock.request()
    failing.fail(new Error('no'))
    await assert.rejects(bad.result, /no/)
  })

  test('without a token is refused, with the time until there is one', async () => {
    const { mock, pass, call, clock } = user(rateLimit({ limit: 2, per: '1m' }))
    await pass()
    await clock.advance('10s')
    const { result } = call()
    await assert.rejects(result, (error) => {
      assert(isRefusal(error) && error instanceof RateLimitedError)
      assert.equal(error.retryInMs, 20_000)
      assert.equal(error.message, 'limit of 2 in 1m reached')
      return true
    })
    assert.equal(mock.calls, 1)
    // What was refused took nothing.
    await clock.advance('20s')
    await pass()
    assert.equal(mock.calls, 2)
  })

  test('that was aborted before it began takes no token', () => {
    const layer = rateLimit({ limit: 1 })
    const request = testRequest('')
    const reason = new Error('gone')
    request.abort(reason)
    assert.throws(() => layer({ call: () => 5 }).call(request), reason)
    assert.equal(layer.tokens, 1)
  })

  test('uses up its token however it ends', async () => {
    const layer = rateLimit({ limit: 1, per: '1h', burst: 3 })
    const { pass, call, mock } = user(layer)
    await pass('respond')
    await pass('fail')
    const { request, result } = call()
    const inside = await mock.request()
    request.abort(new Error('killed'))
    inside.fail(request.signal.reason)
    await assert.rejects(result, /killed/)
    assert.equal(layer.tokens, 0)
  })
})

describe('ready', () => {
  test('wakes exactly when the next token comes, by one timer', async () => {
    const { service, pass, clock } = user(rateLimit({ limit: 1, per: '5m' }))
    await service.ready(never)
    await pass()
    assert.equal(clock.timers, 0)
    const waiting = service.ready(never)
    assert.equal(clock.timers, 1)
    await clock.advance('299.999s')
    assert.equal(await settled(waiting, clock), false)
    assert.equal(clock.timers, 1)
    await clock.advance(1)
    assert.equal(await settled(waiting, clock), true)
    assert.equal(service.capacity(), 1)
    assert.equal(clock.timers, 0)
  })

  test('leaves no timer when its signal aborts', async () => {
    const { service, pass, clock } = user(rateLimit({ limit: 1, per: '5m' }))
    await pass()
    const controller = new AbortController()
    const waiting = service.ready(controller.signal)
    controller.abort()
    await waiting
    assert.equal(clock.timers, 0)
    assert.equal(service.capacity(), 0)
  })

  test('wakes those who share the limit in turn, one a token', async () => {
    const layer = rateLimit({ limit: 1, per: '1s' })
    const first = user(layer)
    const { clock } = first
    const users = [first, user(layer, first), user(layer, first)]
    const taken = [0, 0, 0]
    await first.pass()
    const loops = users.map(async ({ service, pass }, index) => {
      for (;;) {
        await service.ready(never)
        // As a worker does, whose claim may come too late.
        if (service.capacity() === 0) continue
        await pass()
        taken[index] = (taken[index] ?? 0) + 1
      }
    })
    assert.equal(loops.length, 3)
    for (let second = 0; second < 30; second += 1) await clock.advance('1s')
    assert.deepEqual(taken, [10, 10, 10])
  })
})

describe('introspection', () => {
  test('says why there is no capacity, and until when', async () => {
    const layer = rateLimit({ limit: 6, per: '1m' })
    const { service, pass, clock } = user(layer)
    await pass()
    await clock.advance('4s')
    assert.deepEqual(service.obstacle(), {
      reason: 'limit of 6 in 1m reached',
      until: new Date(clock.now() + 6_000),
    })
  })
})

test('refuses options it cannot use', () => {
  for (const [options, option] of [
    [{ limit: 0 }, 'rateLimit limit'],
    [{ limit: 1.5 }, 'rateLimit limit'],
    [{ limit: Infinity }, 'rateLimit limit'],
    [{ limit: '5' }, 'rateLimit limit'],
    [{}, 'rateLimit limit'],
    [{ limit: 5, per: 0 }, 'rateLimit per'],
    [{ limit: 5, per: 'soon' }, 'rateLimit per'],
    [{ limit: 5, burst: 0 }, 'rateLimit burst'],
    [{ limit: 5, burst: null }, 'rateLimit burst'],
    [{ limit: 5, burst: Number.NaN }, 'rateLimit burst'],
    [{ limit: 5, max: 5 }, 'rateLimit.max'],
    [undefined, 'rateLimit'],
    [null, 'rateLimit'],
  ] as const) {
    // @ts-expect-error none of them are options
    assert.throws(() => rateLimit(options), { code: 'ERR_OPTION', option })
  }
})
