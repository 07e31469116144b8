import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import type { Service, TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'

type Guarded = Service<TaskRequest, unknown> &
  Required<Pick<Service<never, never>, 'capacity' | 'ready'>>

const never = new AbortController().signal

/** One user of the layer: a service as a worker's stack has it, around a mock. */
function user(layer: ReturnType<typeof concurrency>, clock = new TestClock()) {
  const mock = mockService<TaskRequest, unknown>()
  const service = layer(mock.service) as Guarded
  const call = (args?: unknown) => {
    const request = testRequest(args, { clock })
    const result = Promise.resolve(service.call(request))
    result.catch(() => {})
    return { request, result }
  }
  return { mock, service, call, clock }
}

describe('permits', () => {
  test('are taken by a call and given back when its promise settles', async () => {
    const layer = concurrency(2)
    const { mock, service, call } = user(layer)
    assert.equal(service.capacity(), 2)
    const first = call()
    const second = call()
    assert.equal(service.capacity(), 0)
    assert.equal(layer.inFlight, 2)
    const one = await mock.request()
    one.respond('one')
    assert.equal(await first.result, 'one')
    assert.equal(service.capacity(), 1)
    const two = await mock.request()
    two.fail(new Error('two'))
    await assert.rejects(second.result, /two/)
    assert.equal(layer.inFlight, 0)
  })

  test('are given back by a synchronous result, which stays synchronous', () => {
    const layer = concurrency(1)
    const service = layer({ call: () => layer.inFlight })
    assert.equal(service.call(testRequest('')), 1)
    assert.equal(layer.inFlight, 0)
  })

  test('are given back by a synchronous throw', () => {
    const layer = concurrency(1)
    const failure = new Error('sync')
    const service = layer({
      call: () => {
        throw failure
      },
    })
    assert.throws(() => service.call(testRequest('')), failure)
    assert.equal(layer.inFlight, 0)
  })

  test('keep a call waiting in turn when there is none', async () => {
    const { mock, call } = user(concurrency(1))
    const [first, second, third] = [call('1'), call('2'), call('3')]
    assert.equal(mock.calls, 1)
    for (const [{ request, result }, args] of [
      [first, '1'],
      [second, '2'],
      [third, '3'],
    ] as const) {
      const running = await mock.request()
      assert.equal(running.request, request)
      assert.equal(running.request.task.args, args)
      assert.equal(mock.pending, 0)
      running.respond(args)
      assert.equal(await result, args)
    }
  })

  test('are not taken by a waiting call whose signal aborts', async () => {
    const layer = concurrency(1)
    const { mock, call, clock } = user(layer)
    const first = call('1')
    const second = call('2')
    const third = call('3')
    const reason = new Error('cancelled')
    second.request.abort(reason)
    await assert.rejects(second.result, reason)
    const running = await mock.request()
    running.respond('one')
    await first.result
    const next = await mock.request()
    assert.equal(next.request, third.request)
    next.respond('three')
    await third.result
    await clock.settle()
    assert.equal(layer.inFlight, 0)
    assert.equal(mock.calls, 2)
  })

  test('refuse a call at once whose signal has aborted, when it would have to wait', async () => {
    const layer = concurrency(1)
    const { service, call, clock } = user(layer)
    call('1')
    const request = testRequest('2', { clock })
    const reason = new Error('cancelled')
    request.abort(reason)
    await assert.rejects(Promise.resolve(service.call(request)), reason)
    assert.equal(layer.inFlight, 1)
  })

  test('are given back exactly once when the inner call ends with the reason of an abort', async () => {
    const layer = concurrency(2)
    const { mock, call } = user(layer)
    const { request, result } = call()
    const reason = new Error('timeout')
    const running = await mock.request()
    request.abort(reason)
    running.fail(reason)
    running.respond('late')
    await assert.rejects(result, reason)
    assert.equal(layer.inFlight, 0)
  })
})

describe('limit', () => {
  test('is readable, and raised starts whoever waits', async () => {
    const layer = concurrency(1)
    const { mock, service, call } = user(layer)
    const calls = [call('1'), call('2'), call('3'), call('4')]
    assert.equal(layer.limit, 1)
    layer.limit = 3
    assert.equal(layer.limit, 3)
    assert.equal(layer.inFlight, 3)
    assert.equal(service.capacity(), 0)
    for (let started = 0; started < 3; started += 1) {
      const { respond } = await mock.request()
      respond('done')
    }
    await calls[0]?.result
    const last = await mock.request()
    assert.equal(last.request, calls[3]?.request)
  })

  test('lowered lets those in flight finish and starts no more until they are fewer', async () => {
    const layer = concurrency(3)
    const { mock, service, call } = user(layer)
    const running = [call('1'), call('2'), call('3')]
    layer.limit = 1
    assert.equal(service.capacity(), 0)
    const waiting = call('4')
    for (const { result } of running.slice(0, 2)) {
      const { respond } = await mock.request()
      respond('done')
      await result
      assert.equal(service.capacity(), 0)
      assert.equal(mock.calls, 3)
    }
    const last = await mock.request()
    last.respond('done')
    const next = await mock.request()
    assert.equal(next.request, waiting.request)
  })

  test('is a whole number from 1 to 1,000,000', () => {
    for (const limit of [0, -1, 1.5, Number.NaN, Infinity, 1e9, '5', undefined]) {
      // @ts-expect-error not all of them are numbers
      assert.throws(() => concurrency(limit), { code: 'ERR_OPTION', option: 'concurrency' })
    }
    const layer = concurrency(2)
    assert.throws(() => (layer.limit = 0), { code: 'ERR_OPTION', option: 'concurrency' })
    assert.equal(layer.limit, 2)
  })
})

describe('ready', () => {
  test('settles when a permit is free, at once if it is', async () => {
    const { mock, service, call, clock } = user(concurrency(1))
    await service.ready(never)
    call()
    let ready = false
    const waiting = service.ready(never).then(() => {
      ready = true
    })
    await clock.settle()
    assert.equal(ready, false)
    const running = await mock.request()
    running.respond('done')
    await waiting
    assert.equal(service.capacity(), 1)
  })

  test('settles when the limit is raised', async () => {
    const layer = concurrency(1)
    const { service, call } = user(layer)
    call()
    const waiting = service.ready(never)
    layer.limit = 2
    await waiting
    assert.equal(service.capacity(), 1)
  })

  test('settles when its signal aborts, and leaves nothing behind', async () => {
    const { service, call } = user(concurrency(1))
    call()
    const controller = new AbortController()
    const waiting = service.ready(controller.signal)
    controller.abort()
    await waiting
    assert.equal(service.capacity(), 0)
    await service.ready(controller.signal)
  })

  test('wakes the next in line when the one woken does not take its permit', async () => {
    const layer = concurrency(1)
    const [one, two, three] = [user(layer), user(layer), user(layer)]
    one.call()
    const woken: string[] = []
    const second = two.service.ready(never).then(() => woken.push('two'))
    const third = three.service.ready(never).then(() => woken.push('three'))
    const running = await one.mock.request()
    running.respond('done')
    await second
    assert.deepEqual(woken, ['two'])
    await third
    assert.equal(three.service.capacity(), 1)
  })

  test('keeps what it promised from others for the turn', async () => {
    const layer = concurrency(1)
    const [one, two] = [user(layer), user(layer)]
    const first = one.call()
    const waiting = two.service.ready(never)
    const running = await one.mock.request()
    running.respond('done')
    await first.result
    assert.equal(one.service.capacity(), 0)
    await waiting
    assert.equal(two.service.capacity(), 1)
    two.call()
    assert.equal(layer.inFlight, 1)
    assert.equal(two.service.capacity(), 0)
    assert.equal(one.service.capacity(), 0)
  })
})

describe('capacity ahead', () => {
  test('adds the calls that are expected to end by then', async () => {
    const { mock, service, call, clock } = user(concurrency(4))
    assert.equal(service.capacity(100), 4)
    call()
    service.capacity(100)
    // One call ends every 10 ms.
    for (let ended = 0; ended < 20; ended += 1) {
      call()
      await clock.advance(10)
      const { respond } = await mock.request()
      respond('done')
      await clock.settle()
      service.capacity(1)
    }
    assert.equal(service.capacity(), 3)
    assert.equal(service.capacity(100), 3 + 10)
    assert.equal(service.capacity(5), 3)
  })

  test('counts no time without work, and forgets a rate that no longer holds', async () => {
    const clock = new TestClock()
    const { mock, service, call } = user(concurrency(10), clock)
    call()
    service.capacity(1)
    for (let ended = 0; ended < 10; ended += 1) {
      call()
      await clock.advance(10)
      const { respond } = await mock.request()
      respond('done')
      await clock.settle()
    }
    service.capacity(1)
    const last = await mock.request()
    last.respond('done')
    await clock.advance(5)
    service.capacity(1)
    await clock.advance('1h')
    const rested = service.capacity(1_000)
    assert.ok(rested > 50, `${rested} after a rest`)
    call()
    await clock.advance('1s')
    const slow = service.capacity(1_000)
    assert.ok(slow < 12, `${slow} after a second in which nothing ended`)
  })
})

test('two users of one layer take turns, although each wants every permit', async () => {
  const layer = concurrency(1)
  const clock = new TestClock()
  const ended = { one: 0, two: 0 }
  const stop = new AbortController()
  const work = async (name: 'one' | 'two') => {
    const { mock, service, call } = user(layer, clock)
    while (!stop.signal.aborted) {
      if (service.capacity() === 0) {
        await service.ready(stop.signal)
        continue
      }
      const { result } = call()
      const running = await mock.request()
      await new Promise(setImmediate)
      running.respond('done')
      await result
      ended[name] += 1
      if (ended.one + ended.two === 200) stop.abort()
    }
  }
  await Promise.all([work('one'), work('two')])
  assert.ok(Math.abs(ended.one - ended.two) <= 2, `${ended.one} and ${ended.two}`)
})
