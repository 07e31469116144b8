import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, OverloadedError } from '../../src/errors/task-errors.ts'
import { loadShed } from '../../src/layers/load-shed.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { user } from './lab.ts'

test('passes calls on while the inside takes them', async () => {
  const { mock, call } = user(loadShed())
  mock.capacity = 1
  const { request, result } = call()
  const inside = await mock.request()
  assert.equal(inside.request, request)
  inside.respond('done')
  assert.equal(await result, 'done')
})

test('refuses calls while the inside is full, without calling it', async () => {
  const { mock, call } = user(loadShed())
  mock.capacity = 0
  const { result } = call()
  await assert.rejects(result, (error) => isRefusal(error) && error instanceof OverloadedError)
  assert.equal(mock.calls, 0)
  mock.capacity = 1
  call()
  assert.equal(mock.calls, 1)
})

test('is inert around what does not limit, and keeps what is synchronous so', () => {
  assert.equal(loadShed()({ call: () => 5 }).call(testRequest('')), 5)
})

test('tells the worker not to count what stands inside', () => {
  assert.equal(loadShed().shedsLoad, true)
  assert.equal(loadShed().layerName, 'loadShed')
})
