import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mockService } from '../../src/testing/mock-service.ts'

test('gives out its calls in order, and answers each as the test says', async () => {
  const mock = mockService<string, number>()
  const first = mock.service.call('first')
  const second = mock.service.call('second')
  assert.equal(mock.calls, 2)
  assert.equal(mock.pending, 2)
  const one = await mock.request()
  const two = await mock.request()
  assert.deepEqual([one.request, two.request], ['first', 'second'])
  assert.equal(mock.pending, 0)
  const failure = new Error('second')
  two.fail(failure)
  one.respond(1)
  assert.equal(await first, 1)
  await assert.rejects(Promise.resolve(second), failure)
  assert.equal(mock.calls, 2)
})

test('request() waits for a call, whoever asks first being served first', async () => {
  const mock = mockService<string, number>()
  const asked = [mock.request(), mock.request()]
  void mock.service.call('first')
  void mock.service.call('second')
  assert.deepEqual(
    (await Promise.all(asked)).map(({ request }) => request),
    ['first', 'second'],
  )
  assert.equal(mock.pending, 0)
})

test('has the capacity it is given; ready() waits for some', async () => {
  const mock = mockService<string, number>()
  const { signal } = new AbortController()
  assert.equal(mock.service.capacity?.(), Infinity)
  await mock.service.ready?.(signal)
  mock.capacity = 0
  assert.equal(mock.capacity, 0)
  assert.equal(mock.service.capacity?.(), 0)
  let ready = false
  const waiting = mock.service.ready?.(signal).then(() => {
    ready = true
  })
  await new Promise(setImmediate)
  assert.equal(ready, false)
  mock.capacity = 0
  await new Promise(setImmediate)
  assert.equal(ready, false)
  mock.capacity = 2
  await waiting
  assert.equal(mock.service.capacity?.(), 2)
})

test('ready() ends when its signal aborts', async () => {
  const mock = mockService<string, number>()
  mock.capacity = 0
  const controller = new AbortController()
  const waiting = mock.service.ready?.(controller.signal)
  controller.abort()
  await waiting
  await mock.service.ready?.(controller.signal)
  assert.equal(mock.capacity, 0)
})
