import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asRun, withData, withSignal } from '../../src/service/request.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { extensionKey } from '../../src/task/extensions.ts'
import { testRequest } from '../../src/testing/test-request.ts'

test('a request says what its task says', () => {
  const request = testRequest('args', { attempt: 2, metadata: { tenant: 'a' } })
  assert.equal(request.id, request.task.parts.taskId)
  assert.equal(request.attempt, 2)
  assert.deepEqual(request.metadata, { tenant: 'a' })
  assert.equal(request.signal, request.signal)
})

test('a derived request differs in one thing and shares the extensions', () => {
  const key = extensionKey<number>('count')
  const request = testRequest('args', { data: { one: 1 } })
  const controller = new AbortController()
  const signalled = withSignal(request, controller.signal)
  const richer = withData(signalled, { two: 2 })
  assert.equal(signalled.signal, controller.signal)
  assert.notEqual(request.signal, controller.signal)
  assert.equal(richer.signal, controller.signal)
  assert.deepEqual(richer.data, { one: 1, two: 2 })
  assert.deepEqual(request.data, { one: 1 })
  assert.equal(richer.task, request.task)
  richer.extensions.set(key, 5)
  assert.equal(request.extensions.get(key), 5)
  assert.equal(asRun(richer).clock, request.clock)
})

test('a request that somebody else made is refused', () => {
  const { id, attempt, metadata, task, data, extensions, signal, worker } = testRequest('args')
  const request: TaskRequest = { id, attempt, metadata, task, data, extensions, signal, worker }
  assert.throws(() => withSignal(request, new AbortController().signal), TypeError)
})
