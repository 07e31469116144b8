import assert from 'node:assert/strict'
import { test } from 'node:test'
// #region layer
import { around, isTimeoutError, type Layer, timeout } from '@apalis/core'
import { mockService, TestClock, type TestRequest, testRequest } from '@apalis/core/testing'

/** Remembers how each call inside ended. */
const noting =
  (notes: string[]): Layer =>
  (inner) =>
    around(inner, async (request) => {
      try {
        const result = await inner.call(request)
        notes.push(`${request.id}: done`)
        return result
      } catch (error) {
        notes.push(`${request.id}: ${String(error)}`)
        throw error
      }
    })

test('a layer passes on what the inside does, and notes it', async () => {
  const notes: string[] = []
  const inside = mockService<TestRequest<string>, number>()
  const service = noting(notes)(inside.service)

  const calling = service.call(testRequest('args', { attempt: 2 }))
  const call = await inside.request()
  assert.equal(call.request.attempt, 2)
  call.respond(42)
  assert.equal(await calling, 42)

  const failing = service.call(testRequest('args'))
  const next = await inside.request()
  next.fail(new Error('no luck'))
  await assert.rejects(Promise.resolve(failing), /no luck/)
  assert.deepEqual(notes, [`${call.request.id}: done`, `${next.request.id}: Error: no luck`])
})

test('a layer that waits does so by the clock of the request', async () => {
  const clock = new TestClock()
  const inside = mockService<TestRequest<string>, number>()
  const service = timeout('10s')(inside.service)

  const calling = Promise.resolve(service.call(testRequest('args', { clock })))
  const { request, fail } = await inside.request()
  await clock.advance('10s')
  assert.ok(isTimeoutError(request.signal.reason))
  fail(request.signal.reason)
  await assert.rejects(calling, isTimeoutError)
})
// #endregion

// #region capacity
test('a layer lets through what the inside says of its capacity', () => {
  const inside = mockService<TestRequest<string>, number>()
  const service = noting([])(inside.service)
  inside.capacity = 3
  assert.equal(service.capacity?.(), 3)
})
// #endregion
