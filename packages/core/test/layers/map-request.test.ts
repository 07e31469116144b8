import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapRequest, type RequestMapper } from '../../src/layers/map-request.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { testRequest } from '../../src/testing/test-request.ts'

function run(mapper: RequestMapper<string>) {
  const mock = mockService<TaskRequest<string>, string>()
  const request = testRequest('args', { attempt: 2 })
  const result = (async () => mapRequest(mapper)(mock.service).call(request))()
  result.catch(() => {})
  return { mock, request, result }
}

test('the inside gets what the mapper makes, now or later; the request outside stays', async () => {
  for (const mapper of [
    (args: string, { attempt }: TaskRequest) => `${args} ${attempt}`,
    async (args: string, { attempt }: TaskRequest) => `${args} ${attempt}`,
  ]) {
    const { mock, request, result } = run(mapper)
    const inside = await mock.request()
    assert.equal(inside.request.task.args, 'args 2')
    assert.equal(inside.request.task.parts, request.task.parts)
    assert.equal(request.task.args, 'args')
    inside.respond('done')
    assert.equal(await result, 'done')
  }
})

test('a throw goes out, and nothing inside is called', async () => {
  const failure = new Error('not mapped')
  const { mock, result } = run(() => Promise.reject(failure))
  await assert.rejects(result, failure)
  assert.equal(mock.calls, 0)
})

test('a mapper that never answers ends with the signal', async () => {
  const { mock, request, result } = run(() => new Promise(() => {}))
  const reason = new Error('timed out')
  request.abort(reason)
  await assert.rejects(result, reason)
  assert.equal(mock.calls, 0)
})

test('refuses what is no function', () => {
  // @ts-expect-error a mapper has to be a function
  assert.throws(() => mapRequest({}), { code: 'ERR_OPTION', option: 'mapRequest' })
})
