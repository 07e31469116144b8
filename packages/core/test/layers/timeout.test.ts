import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeout } from '../../src/layers/timeout.ts'
import type { Service, TaskRequest } from '../../src/service/service.ts'
import type { Clock } from '../../src/time/clock.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'

function run(layer: ReturnType<typeof timeout> = timeout('30s')) {
  const clock = new TestClock()
  const mock = mockService<TaskRequest, string>()
  const request = testRequest('args', { clock })
  const result = Promise.resolve(layer(mock.service).call(request))
  result.catch(() => {})
  return { clock, mock, request, result }
}

test('what ends in time is left alone, and its timer is gone', async () => {
  const { clock, mock, result } = run()
  const { request, respond } = await mock.request()
  await clock.advance('29s')
  respond('done')
  assert.equal(await result, 'done')
  assert.equal(clock.timers, 0)
  assert.equal(request.signal.aborted, false)

  const failing = run()
  const call = await failing.mock.request()
  const failure = new Error('inside')
  call.fail(failure)
  await assert.rejects(failing.result, failure)
  assert.equal(failing.clock.timers, 0)
})

test('after the time the signal inside aborts, and the call ends with its reason', async () => {
  const { clock, mock, request, result } = run()
  const inside = await mock.request()
  const { signal } = inside.request
  await clock.advance('30s')
  assert.equal(signal.aborted, true)
  assert.equal(request.signal.aborted, false)
  inside.fail(signal.reason)
  await assert.rejects(result, {
    code: 'ERR_TASK_TIMEOUT',
    timeoutMs: 30_000,
    message: `task ${request.id} took longer than 30000 ms`,
  })
  assert.equal(clock.timers, 0)
})

test('what the inside ends with after that is discarded', async () => {
  for (const end of ['respond', 'fail'] as const) {
    const { clock, mock, result } = run()
    const inside = await mock.request()
    await clock.advance('30s')
    inside[end]('late')
    await assert.rejects(result, { code: 'ERR_TASK_TIMEOUT' })
  }
})

test('an inside that swallows the abort is left behind after the grace', async () => {
  const { clock, mock, result } = run(timeout('30s', { grace: '2s' }))
  let settled = false
  result.catch(() => {
    settled = true
  })
  await mock.request()
  await clock.advance('31s')
  assert.equal(settled, false)
  await clock.advance('1s')
  await assert.rejects(result, { code: 'ERR_TASK_TIMEOUT' })
  assert.equal(clock.timers, 0)
})

test('an abort from outside reaches the inside, and what comes of it is not made a timeout', async () => {
  const { clock, mock, request, result } = run()
  const { request: inside, respond } = await mock.request()
  const reason = new Error('shutdown')
  request.abort(reason)
  assert.equal(inside.signal.reason, reason)
  await clock.advance('30s')
  respond('done all the same')
  assert.equal(await result, 'done all the same')
  assert.equal(clock.timers, 0)
})

test('nothing stays tied to the outer signal', async () => {
  const { mock, request, result } = run()
  const { request: inside, respond } = await mock.request()
  respond('done')
  await result
  request.abort(new Error('later'))
  assert.equal(inside.signal.aborted, false)
})

test('time that the inside took before it answered with a promise counts', () => {
  let elapsed = 0
  const timers: number[] = []
  const clock: Clock = {
    now: () => elapsed,
    monotonic: () => elapsed,
    setTimer(_, ms) {
      timers.push(ms)
      return { cancel: () => {} }
    },
  }
  const service = timeout('30s')({
    call(): Promise<string> {
      // As a handler that is busy before its first await.
      elapsed += timers.length === 0 ? 20_000 : 40_000
      return new Promise(() => {})
    },
  })
  void service.call(testRequest('', { clock }))
  void service.call(testRequest('', { clock }))
  assert.deepEqual(timers, [10_000, 0])
})

test('a synchronous result or throw stays synchronous and needs no timer', () => {
  const clock = new TestClock()
  const request = testRequest('', { clock })
  const answer = (call: Service<TaskRequest, number>['call']) => timeout('30s')({ call })
  assert.equal(answer(() => 5).call(request), 5)
  const failure = new Error('sync')
  const failing = answer(() => {
    throw failure
  })
  assert.throws(() => failing.call(request), failure)
  assert.equal(clock.timers, 0)
})

test('forwards the capacity of the inside', () => {
  const mock = mockService<TaskRequest, string>()
  mock.capacity = 3
  assert.equal(timeout('1s')(mock.service).capacity?.(), 3)
})

test('refuses durations that are none', () => {
  for (const value of [0, -1, Number.NaN, Infinity, '30', 'soon', undefined]) {
    // @ts-expect-error not all of them are durations
    assert.throws(() => timeout(value), { code: 'ERR_OPTION', option: 'timeout' })
  }
  assert.throws(() => timeout('1s', { grace: -1 }), { code: 'ERR_OPTION', option: 'timeout grace' })
  // @ts-expect-error there is no such option
  assert.throws(() => timeout('1s', { graec: 1 }), { code: 'ERR_OPTION', option: 'timeout.graec' })
})
