import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { around } from '../../src/service/around.ts'
import { withSignal } from '../../src/service/request.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { use } from '../../src/service/use.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import type { RawLayer } from '../../src/worker/plan.ts'
import { composeStack } from '../../src/worker/stack.ts'

const never = new AbortController().signal

/** A stack whose outermost layer holds every call until the test lets it go on. */
function heldStack(layers: readonly RawLayer[], limits: RawLayer = concurrency(2)) {
  const clock = new TestClock()
  const mock = mockService<TaskRequest, unknown>()
  const gates: PromiseWithResolvers<void>[] = []
  const held: RawLayer = use(async (_, next) => {
    const gate = Promise.withResolvers<void>()
    gates.push(gate)
    await gate.promise
    return await next()
  })
  const stack = composeStack({
    layers: [held, ...layers, limits].map((layer, index) => ({ name: `layer ${index}`, layer })),
    innermost: { call: (request) => mock.service.call(request) },
    clock,
    onError: (_, error) => {
      throw error
    },
  })
  const call = () => {
    const result = Promise.resolve(stack.call(testRequest('', { clock })))
    result.catch(() => {})
    return { result }
  }
  const release = async (index: number): Promise<void> => {
    gates[index]?.resolve()
    await clock.settle()
  }
  return { clock, mock, stack, call, gates, release }
}

describe('a call that waits outside of a limit', () => {
  test('counts as taking its place, before and after it gets there', async () => {
    const { mock, stack, call, release } = heldStack([])
    const { result } = call()
    assert.equal(stack.capacity(), 1)
    assert.equal(stack.capacity(5), 1)
    call()
    assert.equal(stack.capacity(), 0)
    await release(0)
    assert.equal(mock.calls, 1)
    assert.equal(stack.capacity(), 0)
    const { respond } = await mock.request()
    respond('done')
    await result
    assert.equal(stack.capacity(), 1)
  })

  test('gives its place back when it never gets there', async () => {
    const { stack, call, gates } = heldStack([])
    const { result } = call()
    assert.equal(stack.capacity(), 1)
    gates[0]?.reject(new Error('turned back'))
    await assert.rejects(result, /turned back/)
    assert.equal(stack.capacity(), 2)
  })

  test('is known again whatever signal a layer gives the request', async () => {
    const derives: RawLayer = (inner) =>
      around(inner, (request: TaskRequest) => inner.call(withSignal(request, never)))
    const { mock, stack, call, release } = heldStack([derives])
    call()
    await release(0)
    assert.equal(mock.calls, 1)
    assert.equal(stack.capacity(), 1)
  })

  test('is shown in the capacities of the layers', () => {
    const { stack, call } = heldStack([])
    call()
    assert.deepEqual(stack.layers(), [
      { name: 'layer 0', capacity: Infinity },
      { name: 'layer 1', capacity: 1 },
    ])
    call()
    assert.deepEqual(stack.layers()[1], {
      name: 'layer 1',
      capacity: 0,
      reason: '2 on their way to it',
    })
  })

  test('counts for every limit it has not got to', async () => {
    const outer = concurrency(5)
    const { stack, call, release } = heldStack([outer, (inner) => inner])
    call()
    call()
    assert.equal(outer.inFlight, 0)
    assert.equal(stack.capacity(), 0)
    assert.deepEqual(
      stack.layers().map(({ capacity }) => capacity),
      [Infinity, 3, Infinity, 0],
    )
    await release(0)
    assert.equal(outer.inFlight, 1)
    assert.equal(stack.capacity(), 0)
  })

  test('counts inside of a layer that sheds load for that layer only', async () => {
    const asked: number[] = []
    const shed: RawLayer = Object.assign(
      ((inner) =>
        around(inner, (request: TaskRequest) => {
          asked.push(inner.capacity?.() ?? -1)
          return inner.call(request)
        })) satisfies RawLayer,
      { shedsLoad: true },
    )
    const late = use(async (_, next) => {
      await Promise.resolve()
      return await next()
    })
    const { clock, stack, call, gates } = heldStack([shed, late])
    for (let index = 0; index < 3; index += 1) call()
    assert.equal(stack.capacity(), Infinity)
    for (const gate of gates) gate.resolve()
    await clock.settle()
    assert.deepEqual(asked, [2, 1, 0])
  })
})

describe('ready', () => {
  test('settles when a call on its way ends', async () => {
    const { clock, stack, call, gates } = heldStack([])
    call()
    call()
    let ready = false
    const waiting = stack.ready(never).then(() => {
      ready = true
    })
    await clock.settle()
    assert.equal(ready, false)
    gates[1]?.reject(new Error('turned back'))
    await waiting
    assert.equal(stack.capacity(), 1)
    assert.equal(clock.timers, 0)
  })

  test('waits for the limit itself once the calls have arrived', async () => {
    const { clock, mock, stack, call, release } = heldStack([])
    call()
    call()
    const waiting = stack.ready(never)
    await release(0)
    await release(1)
    assert.equal(clock.timers, 0)
    const { respond } = await mock.request()
    respond('done')
    await waiting
    assert.equal(stack.capacity(), 1)
  })

  test('sees within 100 ms that a limit was raised', async () => {
    const limit = concurrency(1)
    const { clock, stack, call } = heldStack([], limit)
    call()
    const waiting = stack.ready(never)
    await clock.settle()
    limit.limit = 2
    await clock.advance(100)
    await waiting
    assert.equal(stack.capacity(), 1)
    assert.equal(clock.timers, 0)
  })

  test('ends when its signal aborts', async () => {
    const { clock, stack, call } = heldStack([])
    call()
    call()
    const controller = new AbortController()
    const waiting = stack.ready(controller.signal)
    await clock.settle()
    controller.abort()
    await waiting
    assert.equal(clock.timers, 0)
  })
})
