import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AbortError, CircuitOpenError, isRefusal } from '../../src/errors/task-errors.ts'
import { circuitBreaker, type CircuitBreakerOptions } from '../../src/layers/circuit-breaker.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { never, settled, user } from './lab.ts'

function breaker(options: CircuitBreakerOptions = {}) {
  const layer = circuitBreaker(options)
  return { layer, ...user(layer) }
}

/** One that has just opened. */
async function opened(options: CircuitBreakerOptions = {}) {
  const scene = breaker({ failures: 1, recovery: '1m', ...options })
  await scene.pass('fail', new Error('down'))
  assert.equal(scene.layer.state, 'open')
  return scene
}

describe('closed', () => {
  test('it lets every call through and keeps what comes of it', async () => {
    const { layer, service, call, mock } = breaker()
    assert.equal(layer.state, 'closed')
    assert.equal(service.capacity(), Infinity)
    await service.ready(never)
    const good = call()
    const inside = await mock.request()
    assert.equal(inside.request, good.request)
    inside.respond('done')
    assert.equal(await good.result, 'done')
    assert.equal(circuitBreaker()({ call: () => 5 }).call(testRequest('')), 5)
  })

  test('it opens after `failures` in a row, and a success begins the row anew', async () => {
    const { layer, pass } = breaker({ failures: 3 })
    for (const how of ['fail', 'fail', 'respond', 'fail', 'fail'] as const) await pass(how)
    assert.equal(layer.state, 'closed')
    assert.equal(layer.statistics.failuresInARow, 2)
    await pass('fail')
    assert.equal(layer.state, 'open')
  })

  test('without options that is 5', async () => {
    const { layer, pass } = breaker()
    for (let failures = 0; failures < 4; failures += 1) await pass('fail')
    assert.equal(layer.state, 'closed')
    await pass('fail')
    assert.equal(layer.state, 'open')
  })

  test('it opens at the `rate` of failures, once there were `minimum` calls', async () => {
    const { layer, pass } = breaker({ rate: 0.5, minimum: 6 })
    for (const how of ['fail', 'fail', 'fail', 'fail', 'fail'] as const) await pass(how)
    assert.equal(layer.state, 'closed')
    assert.equal(layer.statistics.failureRate, 1)
    await pass('respond')
    assert.equal(layer.state, 'closed')
    await pass('fail')
    assert.equal(layer.state, 'open')
  })

  test('it opens at exactly the rate, and not below it', async () => {
    const { layer, pass } = breaker({ rate: 0.25, minimum: 4 })
    for (const how of ['respond', 'respond', 'respond', 'respond', 'fail'] as const) await pass(how)
    assert.equal(layer.state, 'closed')
    await pass('respond')
    await pass('respond')
    assert.equal(layer.state, 'closed')
    await pass('fail')
    assert.equal(layer.state, 'open')
  })

  test('calls count for the rate as long as the `window` is', async () => {
    const { layer, pass, clock } = breaker({ rate: 0.5, minimum: 4, window: '10s' })
    for (let failures = 0; failures < 3; failures += 1) await pass('fail')
    await clock.advance('10s')
    assert.equal(layer.statistics.failureRate, 0)
    for (const how of ['respond', 'respond', 'fail', 'fail'] as const) {
      assert.equal(layer.state, 'closed')
      await pass(how)
    }
    assert.equal(layer.state, 'open')
  })

  test('with both, whichever is reached first opens it', async () => {
    const row = breaker({ failures: 2, rate: 1, minimum: 10 })
    await row.pass('fail')
    await row.pass('fail')
    assert.equal(row.layer.state, 'open')
    const rate = breaker({ failures: 9, rate: 0.5, minimum: 2 })
    await rate.pass('respond')
    await rate.pass('fail')
    assert.equal(rate.layer.state, 'open')
  })

  test('throwing at once is failing', () => {
    const layer = circuitBreaker({ failures: 1 })
    const failure = new Error('sync')
    const service = layer({
      call: () => {
        throw failure
      },
    })
    assert.throws(() => service.call(testRequest('')), failure)
    assert.equal(layer.state, 'open')
  })
})

describe('open', () => {
  test('it takes no call, says why and until when, and refuses what comes all the same', async () => {
    const { layer, service, call, mock, clock } = await opened()
    assert.equal(service.capacity(), 0)
    const until = new Date(clock.now() + 60_000)
    assert.deepEqual(service.obstacle(), { reason: 'open: a failure', until })
    await clock.advance('20s')
    const { result } = call()
    await assert.rejects(result, (error) => {
      assert(isRefusal(error) && error instanceof CircuitOpenError)
      assert.equal(error.retryInMs, 40_000)
      assert.equal(error.message, 'circuit breaker is open: a failure')
      return true
    })
    assert.equal(mock.calls, 1)
    assert.deepEqual(layer.statistics, {
      state: 'open',
      successes: 0,
      failures: 1,
      ignored: 0,
      refused: 1,
      opened: 1,
      failuresInARow: 1,
      failureRate: 0,
      until,
    })
  })

  test('it wakes who waits exactly when the recovery time is over, by one timer', async () => {
    const { layer, service, clock } = await opened()
    assert.equal(clock.timers, 0)
    const waiting = service.ready(never)
    assert.equal(clock.timers, 1)
    await clock.advance(59_999)
    assert.equal(await settled(waiting, clock), false)
    await clock.advance(1)
    assert.equal(await settled(waiting, clock), true)
    assert.equal(layer.state, 'half-open')
    assert.equal(clock.timers, 0)
  })

  test('it takes by then what it will let through', async () => {
    const { service } = await opened({ probes: 2 })
    assert.equal(service.capacity(59_999), 0)
    assert.equal(service.capacity(60_000), 2)
  })

  test('what began before it opened changes nothing any more', async () => {
    const { layer, call, mock, pass, clock } = breaker({ failures: 1, recovery: '1m' })
    const early = [call(), call()]
    const inside = [await mock.request(), await mock.request()]
    await pass('fail')
    inside[0]?.respond('late')
    await early[0]?.result
    assert.equal(layer.state, 'open')
    await clock.advance('1m')
    assert.equal(layer.state, 'half-open')
    inside[1]?.fail(new Error('late'))
    await assert.rejects(Promise.resolve(early[1]?.result))
    assert.equal(layer.state, 'half-open')
    assert.equal(layer.statistics.opened, 1)
  })
})

describe('half-open', () => {
  test('it lets `probes` through at once and refuses the others', async () => {
    const { layer, service, call, mock, clock } = await opened({ probes: 2, successes: 3 })
    await clock.advance('1m')
    assert.equal(service.capacity(), 2)
    const first = call()
    call()
    assert.equal(service.capacity(), 0)
    assert.deepEqual(service.obstacle(), { reason: 'half-open: 2 of 2 probes in flight' })
    await assert.rejects(call().result, (error) => {
      assert(isRefusal(error) && error.retryInMs === undefined)
      return true
    })
    let ready = false
    const waiting = service.ready(never).then(() => {
      ready = true
    })
    await clock.settle()
    assert.equal(ready, false)
    const inside = await mock.request()
    inside.respond('done')
    await first.result
    await waiting
    assert.equal(layer.state, 'half-open')
    assert.equal(service.capacity(), 1)
  })

  test('it closes after `successes`, with a clean record', async () => {
    const { layer, service, pass, clock } = await opened({ failures: 2, rate: 1, minimum: 1 })
    await clock.advance('1m')
    await pass('respond')
    assert.equal(layer.state, 'closed')
    assert.equal(service.capacity(), Infinity)
    const { failuresInARow, failureRate } = layer.statistics
    assert.deepEqual({ failuresInARow, failureRate }, { failuresInARow: 0, failureRate: 0 })

    const slow = await opened({ successes: 3 })
    await slow.clock.advance('1m')
    for (const state of ['half-open', 'half-open', 'closed']) {
      await slow.pass('respond')
      assert.equal(slow.layer.state, state)
    }
  })

  test('one failure opens it again, for the whole recovery time', async () => {
    const { layer, service, pass, clock } = await opened({
      successes: 3,
      failures: 5,
      rate: 1,
      minimum: 1,
    })
    await clock.advance('1m')
    await pass('respond')
    await pass('fail')
    assert.equal(layer.state, 'open')
    assert.equal(layer.statistics.opened, 2)
    await clock.advance(59_999)
    assert.equal(service.capacity(), 0)
    await clock.advance(1)
    // What succeeded before that failure does not count any more.
    for (const state of ['half-open', 'half-open', 'closed']) {
      await pass('respond')
      assert.equal(layer.state, state)
    }
  })

  test('what counts as neither frees its place for another probe', async () => {
    const { layer, service, pass, clock } = await opened()
    await clock.advance('1m')
    for (let probes = 0; probes < 5; probes += 1) {
      await pass('fail', new AbortError('bad input'))
      assert.equal(layer.state, 'half-open')
      assert.equal(service.capacity(), 1)
    }
    await pass('respond')
    assert.equal(layer.state, 'closed')
  })
})

describe('changes', () => {
  test('are told to listeners and, as events, to the workers', async () => {
    const { layer, pass, worker, clock } = breaker({ failures: 1, recovery: '1m' })
    const changes: unknown[] = []
    const off = layer.onChange((change) => changes.push(change))
    await pass('fail')
    const until = new Date(clock.now() + 60_000)
    await clock.advance('1m')
    await pass('respond')
    off()
    await pass('fail')
    const told = [
      { from: 'closed', to: 'open', reason: 'a failure', until },
      { from: 'open', to: 'half-open', reason: 'the recovery time has passed' },
      { from: 'half-open', to: 'closed', reason: 'what it let through succeeded' },
    ]
    assert.deepEqual(changes, told)
    assert.deepEqual(worker.events.slice(0, 3), [
      { type: 'custom', name: 'circuitBreaker', data: { ...told[0], until: until.toISOString() } },
      { type: 'custom', name: 'circuitBreaker', data: told[1] },
      { type: 'custom', name: 'circuitBreaker', data: told[2] },
    ])
    assert.equal(worker.events.length, 4)
  })

  test('disturb nothing when a listener throws, and that is told to the workers', async () => {
    const { layer, pass, worker } = breaker({ failures: 1 })
    const failure = new Error('listener')
    layer.onChange(() => {
      throw failure
    })
    let heard = 0
    layer.onChange(() => {
      heard += 1
    })
    await pass('fail')
    assert.equal(layer.state, 'open')
    assert.equal(heard, 1)
    assert.deepEqual(worker.events.at(-1), {
      type: 'error',
      operation: 'circuitBreaker onChange',
      error: failure,
    })
  })

  test('reach every worker that shares it, and none that has stopped', async () => {
    const layer = circuitBreaker({ failures: 2, recovery: '1m' })
    const one = user(layer)
    const other = user(layer, { clock: one.clock })
    await one.pass('fail')
    await other.pass('fail')
    assert.equal(one.service.capacity(), 0)
    assert.equal(other.service.capacity(), 0)
    assert.equal(one.worker.events.length, 1)
    assert.equal(other.worker.events.length, 1)
    other.worker.stop()
    await one.clock.advance('1m')
    assert.equal(layer.state, 'half-open')
    assert.equal(one.worker.events.length, 2)
    assert.equal(other.worker.events.length, 1)
  })
})

test('probes are shared in turn', async () => {
  const layer = circuitBreaker({ failures: 1, recovery: '1m', successes: 30 })
  const first = user(layer)
  const users = [first, user(layer, first), user(layer, first)]
  const { clock } = first
  await first.pass('fail')
  const probed = [0, 0, 0]
  const loops = users.map(async ({ service, pass }, index) => {
    while (layer.state !== 'closed') {
      await service.ready(never)
      if (service.capacity() !== 1) continue
      await pass()
      probed[index] = (probed[index] ?? 0) + 1
    }
  })
  await clock.advance('1m')
  await Promise.all(loops)
  assert.deepEqual(probed, [10, 10, 10])
})

test('refuses options it cannot use', () => {
  for (const [options, option] of [
    [{ failures: 0 }, 'circuitBreaker failures'],
    [{ failures: null }, 'circuitBreaker failures'],
    [{ rate: 0.5, window: null }, 'circuitBreaker window'],
    [{ rate: 0.5, minimum: null }, 'circuitBreaker minimum'],
    [{ failures: 1.5 }, 'circuitBreaker failures'],
    [{ failures: '5' }, 'circuitBreaker failures'],
    [{ rate: 0 }, 'circuitBreaker rate'],
    [{ rate: 1.1 }, 'circuitBreaker rate'],
    [{ rate: Number.NaN }, 'circuitBreaker rate'],
    [{ window: '10s' }, 'circuitBreaker window'],
    [{ minimum: 5 }, 'circuitBreaker minimum'],
    [{ rate: 0.5, window: 0 }, 'circuitBreaker window'],
    [{ rate: 0.5, minimum: 0 }, 'circuitBreaker minimum'],
    [{ recovery: 0 }, 'circuitBreaker recovery'],
    [{ probes: 0 }, 'circuitBreaker probes'],
    [{ successes: -1 }, 'circuitBreaker successes'],
    [{ counts: true }, 'circuitBreaker counts'],
    [{ threshold: 3 }, 'circuitBreaker.threshold'],
    [null, 'circuitBreaker'],
  ] as const) {
    // @ts-expect-error not all of them are options
    assert.throws(() => circuitBreaker(options), { code: 'ERR_OPTION', option })
  }
  // @ts-expect-error a listener is a function
  assert.throws(() => circuitBreaker().onChange('log'), { code: 'ERR_OPTION' })
})
