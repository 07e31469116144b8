import assert from 'node:assert/strict'
import { test } from 'node:test'
import { circuitBreaker } from '../../src/layers/circuit-breaker.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { loadShed } from '../../src/layers/load-shed.ts'
import { rateLimit } from '../../src/layers/rate-limit.ts'
import { retry } from '../../src/layers/retry.ts'
import { timeout } from '../../src/layers/timeout.ts'
import { isTimeoutError } from '../../src/errors/task-errors.ts'
import type { Layer, TaskRequest } from '../../src/service/service.ts'
import { constant } from '../../src/task/backoff.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { composeStack } from '../../src/worker/stack.ts'
import { tracking } from '../../src/worker/tracking.ts'

/** A stack of two layers around a mock, as a worker has it. */
function stack(outer: Layer, inner: Layer) {
  const clock = new TestClock()
  const mock = mockService<TaskRequest, unknown>()
  const handler = { call: (request: TaskRequest) => mock.service.call(request) }
  const composed = composeStack({
    layers: [outer, inner].map((layer) => ({ name: layer.layerName ?? '', layer })),
    innermost: tracking(handler, 1_000, clock),
    clock,
    onError: (_, error) => {
      throw error
    },
  })
  const call = () => {
    const result = new Promise((resolve) => {
      resolve(composed.call(testRequest('', { clock })))
    })
    result.catch(() => {})
    return { result }
  }
  const fail = async (): Promise<void> => {
    const inside = await mock.request()
    inside.fail(new Error('down'))
    await clock.settle()
  }
  return { clock, mock, stack: composed, call, fail }
}

type Scene = ReturnType<typeof stack>

const twice = (): Layer => retry({ times: 2, backoff: constant('10s') })

interface Order<Outer extends Layer, Inner extends Layer> {
  readonly name: string
  readonly outer: () => Outer
  readonly inner: () => Inner
  readonly see: (scene: Scene, outer: Outer, inner: Inner) => Promise<void>
}

/** What the order of two layers decides. */
function order<Outer extends Layer, Inner extends Layer>(row: Order<Outer, Inner>): void {
  test(row.name, async () => {
    const outer = row.outer()
    const inner = row.inner()
    await row.see(stack(outer, inner), outer, inner)
  })
}

order({
  name: 'retry around concurrency: no permit is held while it waits, and the next call takes one anew',
  outer: twice,
  inner: () => concurrency(1),
  async see({ clock, mock, call, fail }, _, permits) {
    call()
    assert.equal(permits.inFlight, 1)
    await fail()
    assert.equal(permits.inFlight, 0)
    const { result } = call()
    await clock.advance('10s')
    assert.equal(mock.calls, 2)
    const second = await mock.request()
    second.respond('done')
    await result
    await clock.settle()
    assert.equal(mock.calls, 3)
    assert.equal(permits.inFlight, 1)
  },
})

order({
  name: 'concurrency around retry: the permit is held while it waits',
  outer: () => concurrency(1),
  inner: twice,
  async see({ stack: composed, call, fail }, permits) {
    call()
    await fail()
    assert.equal(permits.inFlight, 1)
    assert.equal(composed.capacity(), 0)
  },
})

order({
  name: 'retry around rateLimit: every call takes a token',
  outer: twice,
  inner: () => rateLimit({ limit: 1, per: '1m', burst: 2 }),
  async see({ clock, call, fail }, _, limit) {
    call()
    await fail()
    await clock.advance('10s')
    await fail()
    assert.equal(limit.tokens, 0)
  },
})

order({
  name: 'rateLimit around retry: all calls of a run take one token',
  outer: () => rateLimit({ limit: 1, per: '1m', burst: 2 }),
  inner: twice,
  async see({ clock, call, fail }, limit) {
    call()
    await fail()
    await clock.advance('10s')
    await fail()
    assert.equal(limit.tokens, 1)
  },
})

order({
  name: 'retry around circuitBreaker: every call counts',
  outer: twice,
  inner: () => circuitBreaker({ failures: 2 }),
  async see({ clock, call, fail }, _, breaker) {
    call()
    await fail()
    await clock.advance('10s')
    await fail()
    assert.equal(breaker.state, 'open')
  },
})

order({
  name: 'circuitBreaker around retry: a run counts once',
  outer: () => circuitBreaker({ failures: 2 }),
  inner: twice,
  async see({ clock, call, fail }, breaker) {
    call()
    await fail()
    await clock.advance('10s')
    await fail()
    assert.equal(breaker.state, 'closed')
    assert.equal(breaker.statistics.failures, 1)
  },
})

order({
  name: 'timeout around retry: bounds all calls and their waits together',
  outer: () => timeout('15s'),
  inner: twice,
  async see({ clock, mock, call, fail }) {
    const { result } = call()
    await clock.advance('2s')
    await fail()
    await clock.advance('10s')
    assert.equal(mock.calls, 2)
    await clock.advance('3s')
    await assert.rejects(result, isTimeoutError)
  },
})

order({
  name: 'retry around timeout: bounds each call, and retries what took too long',
  outer: twice,
  inner: () => timeout('15s'),
  async see({ clock, mock, call }) {
    const { result } = call()
    await clock.advance('15s')
    assert.equal(mock.calls, 1)
    await clock.advance('10s')
    assert.equal(mock.calls, 2)
    await clock.advance('15s')
    await assert.rejects(result, isTimeoutError)
    assert.equal(mock.calls, 2)
  },
})

order({
  name: 'timeout around concurrency: the permit is free at once, though the handler ignores its signal',
  outer: () => timeout('15s'),
  inner: () => concurrency(1),
  async see({ clock, stack: composed, call }, _, permits) {
    const { result } = call()
    await clock.advance('15s')
    await assert.rejects(result, isTimeoutError)
    assert.equal(permits.inFlight, 0)
    assert.equal(composed.capacity(), 1)
  },
})

order({
  name: 'circuitBreaker around timeout: what took too long is a failure',
  outer: () => circuitBreaker({ failures: 1 }),
  inner: () => timeout('15s'),
  async see({ clock, call }, breaker) {
    call()
    await clock.advance('15s')
    assert.equal(breaker.state, 'open')
  },
})

order({
  name: 'timeout around circuitBreaker: what took too long is a failure as well',
  outer: () => timeout('15s'),
  inner: () => circuitBreaker({ failures: 1 }),
  async see({ clock, call }, _, breaker) {
    call()
    await clock.advance('15s')
    assert.equal(breaker.state, 'open')
  },
})

order({
  name: 'loadShed around concurrency: does not hold back, and refuses what is too much',
  outer: loadShed,
  inner: () => concurrency(1),
  async see({ mock, stack: composed, call }) {
    call()
    assert.equal(composed.capacity(), Infinity)
    await assert.rejects(call().result, { code: 'ERR_OVERLOADED' })
    assert.equal(mock.calls, 1)
  },
})

order({
  name: 'concurrency around loadShed: holds back, and there is nothing to refuse',
  outer: () => concurrency(1),
  inner: loadShed,
  async see({ mock, stack: composed, call }) {
    call()
    assert.equal(composed.capacity(), 0)
    const { result } = call()
    const first = await mock.request()
    first.respond('done')
    const second = await mock.request()
    second.respond('done as well')
    assert.equal(await result, 'done as well')
  },
})

order({
  name: 'circuitBreaker around rateLimit: what has no token counts as neither',
  outer: () => circuitBreaker({ failures: 1 }),
  inner: () => rateLimit({ limit: 1, per: '1m' }),
  async see({ call }, breaker) {
    call()
    await assert.rejects(call().result, { code: 'ERR_RATE_LIMITED' })
    const { state, ignored, failures } = breaker.statistics
    assert.deepEqual({ state, ignored, failures }, { state: 'closed', ignored: 1, failures: 0 })
  },
})

order({
  name: 'rateLimit around circuitBreaker: what is open takes no tokens, since nothing is called',
  outer: () => rateLimit({ limit: 1, per: '1m', burst: 5 }),
  inner: () => circuitBreaker({ failures: 1, recovery: '30s' }),
  async see({ stack: composed, call, fail }, limit) {
    call()
    await fail()
    assert.equal(composed.capacity(), 0)
    assert.equal(limit.tokens, 4)
  },
})
