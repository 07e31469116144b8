import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extract, type Extractors } from '../../src/layers/extract.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { testRequest } from '../../src/testing/test-request.ts'

const data = { db: 'db' }

/** As the builder calls it, which knows the types that the extractors get. */
function layerOf<Found extends Extractors<string, { db: string }>>(extractors: Found) {
  return extract<string, { db: string }, unknown, Found>(extractors)
}

test('adds what it finds to the data, one after the other in the order of the names', async () => {
  const order: string[] = []
  const layer = layerOf({
    user: async (request) => {
      order.push('user begins')
      await new Promise(setImmediate)
      order.push('user ends')
      return `${request.task.args} of ${request.data.db}`
    },
    tenant: (request) => {
      order.push('tenant')
      return request.attempt
    },
  })
  const mock = mockService<TaskRequest<string, { db: string }>, string>()
  const request = testRequest('ada', { data })
  const result = layer(mock.service).call(request)
  const { request: inside, respond } = await mock.request()
  assert.deepEqual(inside.data, { db: 'db', user: 'ada of db', tenant: 1 })
  assert.deepEqual(request.data, { db: 'db' })
  assert.deepEqual(order, ['user begins', 'user ends', 'tenant'])
  respond('done')
  assert.equal(await result, 'done')
})

test('what is synchronous stays synchronous', () => {
  const layer = extract({ one: () => 1, two: () => 2 })
  const service = layer({ call: ({ data: { one, two } }) => one + two })
  assert.equal(service.call(testRequest('')), 3)
})

for (const [how, fail] of [
  [
    'throw',
    (error: Error) => {
      throw error
    },
  ],
  ['reject', (error: Error) => Promise.reject(error)],
] as const) {
  test(`to ${how} is to fail the call before the inside is called`, async () => {
    const error = new Error('no such user')
    let more = 0
    const layer = extract({ user: () => fail(error), more: () => (more += 1) })
    const mock = mockService<TaskRequest, string>()
    await assert.rejects(async () => layer(mock.service).call(testRequest('')), error)
    assert.equal(mock.calls, 0)
    assert.equal(more, 0)
  })
}

test('an extractor that hangs does not outlive the signal', async () => {
  const layer = extract({ user: () => new Promise<never>(() => {}) })
  const mock = mockService<TaskRequest, string>()
  const request = testRequest('')
  const result = Promise.resolve(layer(mock.service).call(request))
  const reason = new Error('timeout')
  request.abort(reason)
  await assert.rejects(result, reason)
  assert.equal(mock.calls, 0)
})

test('forwards the capacity of the inside', () => {
  const mock = mockService<TaskRequest, string>()
  mock.capacity = 3
  assert.equal(extract({})(mock.service).capacity?.(), 3)
})
