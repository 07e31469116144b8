import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InterruptedError, TimeoutError } from '../../src/errors/task-errors.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { around } from '../../src/service/around.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import type { RawLayer } from '../../src/worker/plan.ts'
import { composeStack } from '../../src/worker/stack.ts'

function stack(layer: RawLayer) {
  const clock = new TestClock()
  const permits = concurrency(1)
  const composed = composeStack({
    layers: [
      { name: 'permits', layer: permits },
      { name: 'own', layer },
    ],
    innermost: { call: (request) => request.task.args },
    clock,
    onError: (_, error) => {
      throw error
    },
  })
  const call = () => {
    const request = testRequest('args', { clock })
    const result = Promise.resolve(composed.call(request))
    result.catch(() => {})
    return { request, result }
  }
  return { clock, permits, call }
}

/** Layers of somebody's own that keep what they were given. */
const keepers: Readonly<Record<string, RawLayer>> = {
  'a function': () => ({ call: () => new Promise(() => {}) }),
  'one made with `around`': (inner) =>
    around(inner, async (request: TaskRequest) => {
      await inner.call(request)
      await new Promise(() => {})
    }),
}

describe('a layer that never ends its call gives the permits outside of it back', () => {
  for (const [what, layer] of Object.entries(keepers)) {
    test(`${what}: one grace after an abort`, async () => {
      const { clock, permits, call } = stack(layer)
      const { request, result } = call()
      const reason = new TimeoutError('task', 5)
      request.abort(reason)
      await clock.advance(999)
      assert.equal(permits.inFlight, 1)
      await clock.advance(1)
      await assert.rejects(result, reason)
      assert.equal(permits.inFlight, 0)
      assert.equal(clock.timers, 0)
    })

    test(`${what}: two after that of a shutdown, the first of which is the handler's`, async () => {
      const { clock, permits, call } = stack(layer)
      const { request, result } = call()
      request.abort(new InterruptedError())
      await clock.advance(1_999)
      assert.equal(permits.inFlight, 1)
      await clock.advance(1)
      await assert.rejects(result, InterruptedError)
      assert.equal(permits.inFlight, 0)
    })
  }
})

test('one that ends in time is left alone, and nothing stays armed', async () => {
  for (const aborts of [false, true]) {
    const { clock, permits, call } = stack((inner) => ({
      call: async (request) => {
        await new Promise<void>((resolve) => void clock.setTimer(resolve, 500))
        if (aborts) throw new Error('of its own')
        return inner.call(request)
      },
    }))
    const { request, result } = call()
    if (aborts) request.abort(new Error('killed'))
    await clock.advance(500)
    if (aborts) await assert.rejects(result, /of its own/)
    else assert.equal(await result, 'args')
    assert.equal(permits.inFlight, 0)
    assert.equal(clock.timers, 0)
  }
})

test('what is synchronous stays so', () => {
  const { permits, call } = stack((inner) => ({ call: (request) => inner.call(request) }))
  call()
  assert.equal(permits.inFlight, 0)
})
