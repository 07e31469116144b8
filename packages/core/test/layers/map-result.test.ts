import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapResult } from '../../src/layers/map-result.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { testRequest } from '../../src/testing/test-request.ts'

test('hands on what the mapper makes of a result, now or later', async () => {
  for (const layer of [
    mapResult((result: number, { attempt }) => `${result} at ${attempt}`),
    mapResult(async (result: number, { attempt }) => `${result} at ${attempt}`),
  ]) {
    const mock = mockService<TaskRequest, number>()
    const result = layer(mock.service).call(testRequest('', { attempt: 2 }))
    const inside = await mock.request()
    inside.respond(5)
    assert.equal(await result, '5 at 2')
  }
})

test('what the inside throws passes by the mapper', async () => {
  const mock = mockService<TaskRequest, number>()
  const result = mapResult(() => assert.fail('it was called'))(mock.service).call(testRequest(''))
  const failure = new Error('inside')
  const inside = await mock.request()
  inside.fail(failure)
  await assert.rejects(Promise.resolve(result), failure)
})

test('a throw of the mapper goes out, and a mapper that never answers ends with the signal', async () => {
  const failure = new Error('not mapped')
  const failing = mapResult(() => {
    throw failure
  })({ call: () => 5 })
  assert.throws(() => failing.call(testRequest('')), failure)
  const request = testRequest('')
  const hanging = mapResult(() => new Promise(() => {}))({ call: () => 5 }).call(request)
  const reason = new Error('timed out')
  request.abort(reason)
  await assert.rejects(Promise.resolve(hanging), reason)
})

test('what is synchronous stays synchronous, and the capacity is that of the inside', () => {
  const service = mapResult((n: number) => n * 2)({ call: () => 5, capacity: () => 3 })
  assert.equal(service.call(testRequest('')), 10)
  assert.equal(service.capacity?.(), 3)
})

test('refuses what is no function', () => {
  // @ts-expect-error a mapper has to be a function
  assert.throws(() => mapResult('x'), { code: 'ERR_OPTION', option: 'mapResult' })
})
