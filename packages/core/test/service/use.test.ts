import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortError, LayerError } from '../../src/errors/task-errors.ts'
import { withData, withSignal } from '../../src/service/request.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { type LayerFunction, type Next, type Passed, use } from '../../src/service/use.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'

type Request = TaskRequest<string, { n: number }>

/** `fn` as a layer around a mock, called once. */
function run(fn: LayerFunction<string, { n: number }>) {
  const clock = new TestClock()
  const mock = mockService<Request, string>()
  const request = testRequest('args', { data: { n: 1 }, clock })
  const service = use(fn)<Request, string>(mock.service)
  const result = Promise.resolve(service.call(request))
  // Every test looks at the result itself; until then it is nobody's unhandled rejection.
  result.catch(() => {})
  return { clock, mock, request, service, result }
}

/** For functions that do what does not compile. */
const anyway = undefined as unknown as Passed

test('the result passes through unseen', async () => {
  const steps: string[] = []
  const { mock, request, result } = run(async (given, next) => {
    steps.push(`before ${given.task.args}`)
    const passed = await next()
    steps.push(`after ${typeof passed === 'object' && Object.hasOwn(passed, 'value')}`)
    return passed
  })
  const call = await mock.request()
  assert.equal(call.request, request)
  call.respond('done')
  assert.equal(await result, 'done')
  assert.deepEqual(steps, ['before args', 'after false'])
})

test('a function that is not async may give the promise of next() back', async () => {
  const { mock, result } = run((_, next) => next())
  const call = await mock.request()
  call.respond('done')
  assert.equal(await result, 'done')
})

test('next() takes a derived request', async () => {
  const controller = new AbortController()
  const { mock, result } = run((request, next) =>
    next(withSignal(withData(request, { n: 2 }), controller.signal)),
  )
  const { request, respond } = await mock.request()
  assert.equal(request.data.n, 2)
  assert.equal(request.signal, controller.signal)
  respond('done')
  assert.equal(await result, 'done')
})

test('next() refuses the request of another task', async () => {
  const { mock, result } = run((_, next) => next(testRequest('other', { data: { n: 1 } })))
  await assert.rejects(result, {
    code: 'ERR_LAYER',
    message: 'layer function "use" called next() with the request of another task',
  })
  assert.equal(mock.calls, 0)
})

test('what the inside throws may be passed on, or replaced', async () => {
  const failure = new Error('inside')
  const on = run(async (_, next) => next())
  const failing = await on.mock.request()
  failing.fail(failure)
  await assert.rejects(on.result, failure)

  const replacement = new AbortError('hopeless')
  const replaced = run(async (_, next) => {
    try {
      return await next()
    } catch {
      throw replacement
    }
  })
  const replacedCall = await replaced.mock.request()
  replacedCall.fail(failure)
  await assert.rejects(replaced.result, replacement)
})

test('a function may throw without calling next()', async () => {
  const failure = new AbortError('not allowed')
  const asynchronous = run(async () => {
    throw failure
  })
  await assert.rejects(asynchronous.result, failure)
  const synchronous = run(() => {
    throw failure
  })
  await assert.rejects(synchronous.result, failure)
  assert.equal(synchronous.mock.calls, 0)
})

test('ending without next() fails the task, by the name of the function', async () => {
  const { mock, result } = run(async function forgetful() {
    return anyway
  })
  await assert.rejects(result, {
    name: 'LayerError',
    code: 'ERR_LAYER',
    message: 'layer function "forgetful" ended without calling next()',
  })
  assert.equal(mock.calls, 0)
})

test('not giving back what next() gave fails the task', async () => {
  const { mock, result } = run(async (_, next) => {
    await next()
    return anyway
  })
  const call = await mock.request()
  call.respond('done')
  await assert.rejects(result, /did not return what next\(\) gave/)
})

test('swallowing what next() threw fails the task, and says what it was', async () => {
  const { mock, result } = run(async (_, next) => {
    await next().catch(() => {})
    return anyway
  })
  const call = await mock.request()
  call.fail(new Error('inside'))
  await assert.rejects(result, /swallowed what next\(\) threw: Error: inside/)
})

for (const [how, fn] of [
  ['caught', (next: Next) => next().catch(() => anyway)],
  ['not awaited', async (next: Next) => void next()],
] as const) {
  test(`a second next(), ${how}, fails the task and does not call the inside`, async () => {
    const { mock, result } = run(async (_, next) => {
      const passed = await next()
      await fn(next)
      return passed
    })
    const call = await mock.request()
    call.respond('done')
    await assert.rejects(result, {
      code: 'ERR_LAYER',
      message: 'layer function "use" called next() twice',
    })
    assert.equal(mock.calls, 1)
  })
}

test('two calls of next() at once are one too many', async () => {
  const { mock, result } = run(async (_, next) => {
    const [passed] = await Promise.all([next(), next()])
    return passed
  })
  const call = await mock.request()
  call.respond('done')
  await assert.rejects(result, /called next\(\) twice/)
  assert.equal(mock.calls, 1)
})

for (const [how, end, expected] of [
  ['returns', () => anyway, /ended before next\(\) had/],
  [
    'throws',
    () => {
      throw new Error('early')
    },
    /^Error: early$/,
  ],
] as const) {
  test(`a function that ${how} while the inside runs is settled when the inside has ended`, async () => {
    const { clock, mock, result } = run(async (_, next) => {
      void next()
      return end()
    })
    let settled = false
    const seen = result.catch(() => {
      settled = true
    })
    const call = await mock.request()
    await clock.settle()
    assert.equal(settled, false)
    // Nobody waits for it: an unhandled rejection would end the process.
    call.fail(new Error('inside'))
    await seen
    await assert.rejects(result, expected)
  })
}

test('an abort before next() ends the call at once; a later next() is refused', async () => {
  const gate = Promise.withResolvers<void>()
  const refused = Promise.withResolvers<unknown>()
  const { mock, request, result } = run(async (_, next) => {
    await gate.promise
    return next().catch((error: unknown) => {
      refused.resolve(error)
      throw error
    })
  })
  const reason = new Error('cancelled')
  request.abort(reason)
  await assert.rejects(result, reason)
  gate.resolve()
  const error = await refused.promise
  assert.ok(error instanceof LayerError)
  assert.match(error.message, /called next\(\) after it had ended/)
  assert.equal(mock.calls, 0)
})

test('a function that the abort wakes does not get in any more, not even with a signal of its own', async () => {
  const { clock, mock, request, result } = run(async (own, next) => {
    await new Promise((resolve) => {
      own.signal.addEventListener('abort', resolve)
    })
    return await next(withSignal(own, new AbortController().signal))
  })
  const reason = new Error('cancelled')
  request.abort(reason)
  await clock.settle()
  assert.equal(mock.calls, 0)
  await assert.rejects(result, reason)
})

test('an abort after next() leaves the function the grace to clean up, and no longer', async () => {
  const reason = new Error('cancelled')
  const cleanup = Promise.withResolvers<void>()
  const quick = run(async (_, next) => {
    try {
      return await next()
    } finally {
      await cleanup.promise
    }
  })
  const quickCall = await quick.mock.request()
  quick.request.abort(reason)
  quickCall.fail(reason)
  await quick.clock.advance(999)
  cleanup.resolve()
  await assert.rejects(quick.result, reason)
  assert.equal(quick.clock.timers, 0)

  const hanging = run(async (_, next) => {
    const passed = await next()
    await new Promise(() => {})
    return passed
  })
  const call = await hanging.mock.request()
  call.respond('done')
  await hanging.clock.settle()
  hanging.request.abort(reason)
  await hanging.clock.advance(1_000)
  await assert.rejects(hanging.result, reason)
})

test('forwards capacity, is called after its function, and refuses what is no function', () => {
  const mock = mockService<TaskRequest, string>()
  mock.capacity = 3
  assert.equal(use((_, next) => next())(mock.service).capacity?.(), 3)
  const layer = use(function audit(_, next) {
    return next()
  })
  assert.equal(layer.layerName, 'audit')
  // @ts-expect-error a layer function has to be a function
  assert.throws(() => use('audit'), { code: 'ERR_OPTION' })
})
