import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorMapper, mapError } from '../../src/layers/map-error.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { testRequest } from '../../src/testing/test-request.ts'

const inner = new Error('inside')
const outer = new Error('outside')

async function run(mapper: ErrorMapper<string>) {
  const mock = mockService<TaskRequest<string>, string>()
  const request = testRequest('args')
  const result = Promise.resolve(mapError(mapper)(mock.service).call(request))
  result.catch(() => {})
  const inside = await mock.request()
  return { inside, request, result }
}

test('throws what the mapper makes of an error, returned or thrown, now or later', async () => {
  const mappers: ErrorMapper<string>[] = [
    () => outer,
    async () => outer,
    () => {
      throw outer
    },
    () => Promise.reject(outer),
  ]
  for (const mapper of mappers) {
    const seen: unknown[] = []
    const { inside, result } = await run((error, request) => {
      seen.push(error, request.task.args)
      return mapper(error, request)
    })
    inside.fail(inner)
    await assert.rejects(result, outer)
    assert.deepEqual(seen, [inner, 'args'])
  }
})

test('what ends well passes by the mapper', async () => {
  const { inside, result } = await run(() => assert.fail('it was called'))
  inside.respond('done')
  assert.equal(await result, 'done')
})

test('a mapper that never answers ends with the signal', async () => {
  const { inside, request, result } = await run(() => new Promise(() => {}))
  inside.fail(inner)
  const reason = new Error('timed out')
  request.abort(reason)
  await assert.rejects(result, reason)
})

test('what is synchronous stays synchronous, and the capacity is that of the inside', () => {
  const layer = mapError(() => outer)
  const service = layer({ call: () => 5, capacity: () => 3 })
  assert.equal(service.call(testRequest('')), 5)
  assert.equal(service.capacity?.(), 3)
  const failing = layer({
    call() {
      throw inner
    },
  })
  assert.throws(() => failing.call(testRequest('')), outer)
})

test('refuses what is no function', () => {
  // @ts-expect-error a mapper has to be a function
  assert.throws(() => mapError(null), { code: 'ERR_OPTION', option: 'mapError' })
})
