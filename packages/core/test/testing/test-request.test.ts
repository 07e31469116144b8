import assert from 'node:assert/strict'
import { test } from 'node:test'
import { taskId } from '../../src/task/task-id.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestContext } from '../../src/testing/test-context.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { systemClock } from '../../src/time/clock.ts'

test('has sensible defaults', () => {
  const request = testRequest({ to: 'ada' })
  assert.deepEqual(request.task.args, { to: 'ada' })
  assert.match(request.id, /^[0-9A-Z]{26}$/)
  assert.notEqual(request.id, testRequest('').id)
  assert.deepEqual(request.task.parts.attempt, { current: 1, max: 5 })
  assert.equal(request.task.parts.status, 'running')
  assert.deepEqual([request.data, request.metadata, request.task.parts.context], [{}, {}, {}])
  assert.equal(request.signal.aborted, false)
  assert.equal(request.worker.state, 'running')
  assert.equal(request.clock, systemClock)
})

test('takes what is given instead', () => {
  const clock = new TestClock()
  const worker = new TestContext('mine')
  const request = testRequest('args', {
    data: { db: 'db' },
    id: taskId('task-1'),
    attempt: 2,
    attempts: 3,
    metadata: { tenant: 'a' },
    context: { queue: 'emails' },
    worker,
    clock,
  })
  assert.equal(request.id, 'task-1')
  assert.deepEqual(request.task.parts.attempt, { current: 2, max: 3 })
  assert.equal(request.data.db, 'db')
  assert.equal(request.metadata['tenant'], 'a')
  assert.equal(request.task.parts.context.queue, 'emails')
  assert.equal(request.worker, worker)
  assert.equal(request.clock, clock)
  assert.equal(request.task.parts.runAt.getTime(), clock.now())
})

test('abort() aborts its signal, whether it was asked for before or after', () => {
  const before = testRequest('')
  const { signal } = before
  const reason = new Error('shutdown')
  before.abort(reason)
  assert.equal(signal.reason, reason)
  const after = testRequest('')
  after.abort(reason)
  assert.equal(after.signal.reason, reason)
})

test('refuses what makes no request', () => {
  const option = (name: string) => ({ code: 'ERR_OPTION', option: name })
  assert.throws(() => testRequest('', { attempt: 0 }), option('attempt'))
  assert.throws(() => testRequest('', { attempt: 3, attempts: 2 }), option('attempt'))
  assert.throws(() => testRequest('', { attempts: Infinity }), option('attempts'))
  // @ts-expect-error no such option
  assert.throws(() => testRequest('', { args: 5 }), option('testRequest.args'))
})
