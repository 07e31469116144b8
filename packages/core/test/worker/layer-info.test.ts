import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { rateLimit } from '../../src/layers/rate-limit.ts'
import type { Obstacle, TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import type { RawLayer } from '../../src/worker/plan.ts'
import { composeStack } from '../../src/worker/stack.ts'

function compose(layers: readonly RawLayer[]) {
  const clock = new TestClock()
  const mock = mockService<TaskRequest, unknown>()
  const errors: string[] = []
  const stack = composeStack({
    layers: layers.map((layer) => ({ name: layer.layerName ?? 'own', layer })),
    innermost: { call: (request) => mock.service.call(request) },
    clock,
    onError: (name, error) => void errors.push(`${name}: ${String(error)}`),
  })
  return { clock, stack, errors }
}

/** A layer of somebody's own that is full. */
function full(obstacle?: () => Obstacle | undefined): RawLayer {
  return (inner) => ({
    call: (request) => inner.call(request),
    capacity: () => 0,
    ...(obstacle === undefined ? {} : { obstacle }),
  })
}

test('layers that are full say why, and until when if they know', () => {
  const { clock, stack } = compose([concurrency(2), rateLimit({ limit: 2, per: '1m', burst: 2 })])
  assert.deepEqual(stack.layers(), [
    { name: 'concurrency', capacity: 2 },
    { name: 'rateLimit', capacity: 2 },
  ])
  void stack.call(testRequest('', { clock }))
  void stack.call(testRequest('', { clock }))
  assert.deepEqual(stack.layers(), [
    { name: 'concurrency', capacity: 0, reason: '2 of 2 calls in flight' },
    {
      name: 'rateLimit',
      capacity: 0,
      reason: 'limit of 2 in 1m reached',
      until: new Date(clock.now() + 30_000),
    },
  ])
})

test("layers of one's own may say it, and are full otherwise", () => {
  const until = new Date(0)
  const { stack, errors } = compose([
    full(() => ({ reason: 'closed on Sundays', until })),
    full(),
    full(() => undefined),
  ])
  assert.deepEqual(stack.layers(), [
    { name: 'own', capacity: 0, reason: 'closed on Sundays', until },
    { name: 'own', capacity: 0, reason: 'full' },
    { name: 'own', capacity: 0, reason: 'full' },
  ])
  assert.deepEqual(errors, [])
})

test('a reason that cannot be told is reported, and changes nothing else', () => {
  const { stack, errors } = compose([
    full(() => {
      throw new Error('no words')
    }),
    full(() => ({
      get reason(): string {
        throw new Error('no more words')
      },
    })),
  ])
  const own = { name: 'own', capacity: 0, reason: 'full' }
  assert.deepEqual(stack.layers(), [own, own])
  assert.deepEqual(errors, ['own: Error: no words', 'own: Error: no more words'])
})

test('a layer whose capacity failed says until when it is left alone', async () => {
  let broken = true
  const { clock, stack } = compose([
    (inner) => ({
      call: (request) => inner.call(request),
      capacity: () => {
        if (broken) throw new Error('no idea')
        return 3
      },
    }),
  ])
  const until = new Date(clock.now() + 1_000)
  assert.deepEqual(stack.layers(), [{ name: 'own', capacity: 0, reason: 'it failed', until }])
  broken = false
  await clock.advance('1s')
  assert.deepEqual(stack.layers(), [{ name: 'own', capacity: 3 }])
})
