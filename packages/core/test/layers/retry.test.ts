import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AbortError,
  DeferredError,
  OverloadedError,
  RetryAfterError,
} from '../../src/errors/task-errors.ts'
import { retry, type RetryOptions } from '../../src/layers/retry.ts'
import { retryBudget } from '../../src/layers/retry-budget.ts'
import { timeout } from '../../src/layers/timeout.ts'
import { constant } from '../../src/task/backoff.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { settled, user } from './lab.ts'

/** A retry that waits 100 ms each time, around a mock, with one call under way. */
function run(options: RetryOptions = {}) {
  const scene = user(retry({ times: 3, backoff: constant(100), ...options }))
  const { request, result } = scene.call('args')
  const fail = async (error: unknown): Promise<void> => {
    const inside = await scene.mock.request()
    inside.fail(error)
    await scene.clock.settle()
  }
  const respond = async (value: unknown): Promise<void> => {
    const inside = await scene.mock.request()
    inside.respond(value)
  }
  return { ...scene, request, result, fail, respond }
}

describe('calls', () => {
  test('that succeed are made once', async () => {
    const { mock, result, respond, clock } = run()
    await respond('done')
    assert.equal(await result, 'done')
    assert.equal(mock.calls, 1)
    assert.equal(clock.timers, 0)
  })

  test('that fail are made again with the same request, after the backoff', async () => {
    const { mock, request, result, fail, clock, worker } = run()
    await fail(new Error('one'))
    assert.equal(mock.calls, 1)
    await clock.advance(99)
    assert.equal(mock.calls, 1)
    await clock.advance(1)
    const second = await mock.request()
    assert.equal(second.request, request)
    second.respond('done')
    assert.equal(await result, 'done')
    assert.equal(clock.timers, 0)
    assert.deepEqual(worker.events, [
      {
        type: 'custom',
        name: 'retry',
        data: { taskId: request.id, calls: 1, error: 'Error: one', waitMs: 100 },
      },
    ])
  })

  test('are `times` at most, and the last error is what comes out', async () => {
    const { mock, result, fail, clock } = run({ times: 4, backoff: constant(0) })
    const errors = [1, 2, 3, 4].map((number) => new Error(String(number)))
    for (const error of errors) await fail(error)
    await assert.rejects(result, errors[3])
    assert.equal(mock.calls, 4)
    assert.equal(clock.timers, 0)
  })

  test('with times 1 are never made again', async () => {
    const { mock, result, fail } = run({ times: 1 })
    await fail(new Error('one'))
    await assert.rejects(result, /one/)
    assert.equal(mock.calls, 1)
  })

  test('that throw at once are made again as well, and a synchronous result stays so', async () => {
    let calls = 0
    const { clock } = user(retry())
    const service = retry({ backoff: constant(0) })({
      call: () => {
        calls += 1
        if (calls < 3) throw new Error('sync')
        return calls
      },
    })
    assert.equal(await service.call(testRequest('', { clock })), 3)
    assert.equal(retry()({ call: () => 5 }).call(testRequest('')), 5)
    const thrown = new Error('once')
    const failing = retry({ times: 1 })({
      call: () => {
        throw thrown
      },
    })
    assert.throws(() => failing.call(testRequest('')), thrown)
  })
})

describe('errors', () => {
  for (const error of [
    new AbortError('hopeless'),
    new RetryAfterError('not yet', '1s', { countAttempt: false }),
    new OverloadedError(),
  ]) {
    test(`${error.name} (${error.code}) is never retried`, async () => {
      const { mock, result, fail, clock } = run()
      await fail(error)
      await assert.rejects(result, error)
      assert.equal(mock.calls, 1)
      assert.equal(clock.timers, 0)
    })
  }

  test('a RetryAfterError waits as long as it says', async () => {
    const { mock, result, fail, respond, clock } = run()
    await fail(new RetryAfterError('busy', '7s'))
    await clock.advance(6_999)
    assert.equal(mock.calls, 1)
    await clock.advance(1)
    await respond('done')
    assert.equal(await result, 'done')
  })

  test('a RetryAfterError that asks for more than maxWait is left to the storage', async () => {
    const { mock, result, fail } = run({ maxWait: '5s' })
    const error = new RetryAfterError('busy', '5001ms')
    await fail(error)
    await assert.rejects(result, error)
    assert.equal(mock.calls, 1)
  })

  test('a DeferredError is retried at once', async () => {
    const { mock, fail, clock } = run()
    await fail(new DeferredError('again'))
    assert.equal(mock.calls, 2)
    assert.equal(clock.timers, 0)
  })

  test('are retried only when `when` says so', async () => {
    const seen: unknown[] = []
    const { mock, request, result, fail, clock } = run({
      when: (error, { id }) => {
        seen.push(id)
        return (error as Error).message === 'again'
      },
    })
    await fail(new Error('again'))
    await clock.advance(100)
    await fail(new Error('enough'))
    await assert.rejects(result, /enough/)
    assert.equal(mock.calls, 2)
    assert.deepEqual(seen, [request.id, request.id])
  })

  test('a `when` that throws is reported, and ends the retries with the error of the call', async () => {
    const failure = new Error('cannot say')
    const { mock, result, fail, worker } = run({
      when: () => {
        throw failure
      },
    })
    await fail(new Error('one'))
    await assert.rejects(result, /one/)
    assert.equal(mock.calls, 1)
    assert.deepEqual(worker.events, [{ type: 'error', operation: 'retry when', error: failure }])
  })
})

describe('the backoff', () => {
  test('is told how many calls there were, the error and the task', async () => {
    const told: unknown[] = []
    const { request, fail, clock } = run({
      backoff: (calls, error, task) => {
        told.push([calls, (error as Error).message, task])
        return calls * 10
      },
    })
    await fail(new Error('one'))
    await clock.advance(10)
    await fail(new Error('two'))
    assert.deepEqual(told, [
      [1, 'one', request.task],
      [2, 'two', request.task],
    ])
  })

  test('may answer later, and with undefined, which ends the retries', async () => {
    const answer = Promise.withResolvers<number | undefined>()
    const { mock, result, fail, clock } = run({ backoff: () => answer.promise })
    await fail(new Error('one'))
    assert.equal(mock.calls, 1)
    answer.resolve(undefined)
    await assert.rejects(result, /one/)
    assert.equal(clock.timers, 0)
  })

  test('that fails, or answers with what is no duration, is reported, and the default counts', async () => {
    for (const backoff of [
      () => {
        throw new Error('no idea')
      },
      () => Promise.reject(new Error('no idea')),
      () => 'soon' as never,
      () => -1,
    ]) {
      const { mock, fail, clock, worker } = run({ backoff })
      await fail(new Error('one'))
      const [report] = worker.events
      assert(report?.type === 'error' && 'operation' in report && report.operation === 'backoff')
      await clock.advance(100)
      assert.equal(mock.calls, 2)
    }
  })

  test('that never answers ends the retries', async () => {
    const { mock, result, fail, clock } = run({ backoff: () => new Promise(() => {}) })
    await fail(new Error('one'))
    await clock.advance('10s')
    await assert.rejects(result, /one/)
    assert.equal(mock.calls, 1)
    assert.equal(clock.timers, 0)
  })
})

describe('a wait ends at once', () => {
  const waits: readonly (readonly [string, RetryOptions, unknown])[] = [
    ['of the backoff', { backoff: constant('1h') }, new Error('one')],
    ['of a RetryAfterError', { maxWait: '2h' }, new RetryAfterError('one', '1h')],
    ['for the backoff to answer', { backoff: () => new Promise(() => {}) }, new Error('one')],
  ]
  for (const [which, options, error] of waits) {
    test(`${which}: when the run is aborted, with its reason`, async () => {
      const { mock, request, result, fail, clock } = run(options)
      await fail(error)
      const reason = new Error('timeout, kill or lost lease')
      request.abort(reason)
      await assert.rejects(result, reason)
      assert.equal(mock.calls, 1)
      assert.equal(clock.timers, 0)
    })

    test(`${which}: when the worker begins to stop, with the last error`, async () => {
      const { mock, result, fail, clock, worker } = run(options)
      await fail(error)
      worker.stop()
      await assert.rejects(result, /one/)
      assert.equal(mock.calls, 1)
      assert.equal(clock.timers, 0)
    })
  }

  test('in a timeout around it', async () => {
    const { mock, call, clock } = user((inner) =>
      timeout('1s')(retry({ backoff: constant('10s') })(inner)),
    )
    const { result } = call()
    const inside = await mock.request()
    inside.fail(new Error('one'))
    await clock.advance('1s')
    await assert.rejects(result, { code: 'ERR_TASK_TIMEOUT' })
    assert.equal(mock.calls, 1)
    assert.equal(clock.timers, 0)
  })
})

test('a call whose run was aborted is not retried, whatever it ends with', async () => {
  const { mock, request, result, clock } = run({ backoff: constant(0) })
  const inside = await mock.request()
  request.abort(new Error('killed'))
  inside.fail(new Error('one'))
  await assert.rejects(result, /one/)
  await clock.advance('1m')
  assert.equal(mock.calls, 1)
})

test('a worker that is stopping retries nothing', async () => {
  const { mock, result, fail, worker } = run({ backoff: constant(0) })
  worker.stop()
  await fail(new Error('one'))
  await assert.rejects(result, /one/)
  assert.equal(mock.calls, 1)
})

describe('the inside', () => {
  test('is called again when it is ready for it', async () => {
    const { mock, result, fail, respond, clock } = run()
    mock.capacity = 0
    await fail(new Error('one'))
    await clock.advance('20s')
    assert.equal(mock.calls, 1)
    mock.capacity = 1
    await clock.settle()
    assert.equal(mock.calls, 2)
    await respond('done')
    assert.equal(await result, 'done')
    assert.equal(clock.timers, 0)
  })

  test('is waited for no longer than maxWait', async () => {
    const { mock, result, fail, clock } = run({ maxWait: '3s' })
    mock.capacity = 0
    await fail(new Error('one'))
    await clock.advance('3s')
    assert.equal(await settled(result, clock), false)
    await clock.advance(100)
    await assert.rejects(result, /one/)
    assert.equal(mock.calls, 1)
    assert.equal(clock.timers, 0)
  })

  test('that refuses a retry does not replace the error that the task has', async () => {
    const { mock, result, fail, clock } = run()
    await fail(new Error('one'))
    await clock.advance(100)
    await fail(new OverloadedError())
    await clock.advance(100)
    await fail(new OverloadedError())
    await assert.rejects(result, /one/)
    assert.equal(mock.calls, 3)
  })
})

describe('a budget', () => {
  test('bounds the retries of all that share it', async () => {
    const budget = retryBudget({ ratio: 0.5, minPerSecond: 0 })
    const layers = [1, 2].map(() => retry({ times: 10, backoff: constant(0), budget }))
    let calls = 0
    const { clock } = user(retry())
    const services = layers.map((layer) =>
      layer({
        call: () => {
          calls += 1
          return Promise.reject(new Error(String(calls)))
        },
      }),
    )
    for (let task = 0; task < 20; task += 1) {
      const service = services[task % 2]
      await assert.rejects(Promise.resolve(service?.call(testRequest('', { clock }))))
    }
    assert.equal(calls, 30)
  })

  test('is asked only for what would be retried', async () => {
    let asked = 0
    const budget = {
      deposit: () => {},
      withdraw: () => {
        asked += 1
        return false
      },
    }
    const hopeless = run({ budget })
    await hopeless.fail(new AbortError('hopeless'))
    await assert.rejects(hopeless.result, /hopeless/)
    assert.equal(asked, 0)
    const { mock, result, fail } = run({ budget })
    await fail(new Error('one'))
    await assert.rejects(result, /one/)
    assert.equal(mock.calls, 1)
    assert.equal(asked, 1)
  })
})

test('refuses options it cannot use', () => {
  for (const [options, option] of [
    [{ times: 0 }, 'retry times'],
    [{ times: 2.5 }, 'retry times'],
    [{ times: Infinity }, 'retry times'],
    [{ backoff: '1s' }, 'retry backoff'],
    [{ when: true }, 'retry when'],
    [{ budget: 5 }, 'retry budget'],
    [{ budget: null }, 'retry budget'],
    [{ maxWait: -1 }, 'retry maxWait'],
    [{ retries: 3 }, 'retry.retries'],
    [3, 'retry'],
  ] as const) {
    // @ts-expect-error none of them are options
    assert.throws(() => retry(options), { code: 'ERR_OPTION', option })
  }
})
