import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AbortError,
  CircuitOpenError,
  DeferredError,
  InterruptedError,
  LeaseLostError,
  OverloadedError,
  RetryAfterError,
  TaskKilledError,
  TimeoutError,
} from '../../src/errors/task-errors.ts'
import { circuitBreaker, type CircuitBreakerOptions } from '../../src/layers/circuit-breaker.ts'
import { user } from './lab.ts'

function breaker(options: CircuitBreakerOptions = {}) {
  const layer = circuitBreaker(options)
  return { layer, ...user(layer) }
}

describe('what counts', () => {
  const failures: readonly (readonly [string, unknown])[] = [
    ['an error', new Error('down')],
    ['anything that is thrown', undefined],
    ['a RetryAfterError', new RetryAfterError('busy', '1s')],
    ['a DeferredError', new DeferredError('again')],
    ['a timeout inside', new TimeoutError('it', 5)],
  ]
  for (const [what, error] of failures) {
    test(`${what} is a failure`, async () => {
      const { layer, pass } = breaker({ failures: 1 })
      await pass('fail', error)
      assert.equal(layer.statistics.failures, 1)
      assert.equal(layer.state, 'open')
    })
  }

  const neither: readonly (readonly [string, unknown])[] = [
    ['an AbortError', new AbortError('bad input')],
    ['a snooze', new RetryAfterError('not yet', '1s', { countAttempt: false })],
    ['a refusal of a layer inside', new OverloadedError()],
    ['an open breaker inside', new CircuitOpenError()],
  ]
  for (const [what, error] of neither) {
    test(`${what} is neither`, async () => {
      const { layer, pass } = breaker({ failures: 1 })
      await pass('fail', error)
      const { failures: failed, successes, ignored } = layer.statistics
      assert.deepEqual({ failed, successes, ignored }, { failed: 0, successes: 0, ignored: 1 })
      assert.equal(layer.state, 'closed')
    })
  }

  for (const reason of [
    new InterruptedError(),
    new TaskKilledError('t'),
    new LeaseLostError('w'),
  ]) {
    test(`what throws after a ${reason.code} is neither, and what returns is a success`, async () => {
      const { layer, mock, call } = breaker({ failures: 1 })
      for (const how of ['fail', 'respond'] as const) {
        const { request, result } = call()
        const inside = await mock.request()
        request.abort(reason)
        inside[how](new Error('cut off'))
        await Promise.allSettled([result])
      }
      const { failures: failed, successes, ignored } = layer.statistics
      assert.deepEqual({ failed, successes, ignored }, { failed: 0, successes: 1, ignored: 1 })
    })
  }

  test('the timeout of the run is a failure', async () => {
    const { layer, mock, call } = breaker({ failures: 1 })
    const { request, result } = call()
    const inside = await mock.request()
    request.abort(new TimeoutError('task', 5))
    inside.fail(request.signal.reason)
    await assert.rejects(result)
    assert.equal(layer.state, 'open')
  })

  test('is what `counts` says of an error and its request', async () => {
    const { layer, pass } = breaker({
      failures: 1,
      counts: (error, { attempt }) => attempt === 1 && (error as Error).message !== 'mine',
    })
    await pass('fail', new Error('mine'))
    assert.equal(layer.state, 'closed')
    await pass('fail', new AbortError('theirs'))
    assert.equal(layer.state, 'open')
  })

  test('a `counts` that throws is reported, and the default counts', async () => {
    const failure = new Error('cannot say')
    const { layer, pass, worker } = breaker({
      failures: 1,
      counts: () => {
        throw failure
      },
    })
    await pass('fail', new Error('down'))
    assert.equal(layer.state, 'open')
    assert.deepEqual(worker.events[0], {
      type: 'error',
      operation: 'circuitBreaker counts',
      error: failure,
    })
  })
})
