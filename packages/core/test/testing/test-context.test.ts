import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestContext } from '../../src/testing/test-context.ts'

test('keeps what is emitted', () => {
  const context = new TestContext()
  context.emit({ type: 'custom', name: 'one' })
  context.emit({ type: 'custom', name: 'two', data: 2 })
  assert.deepEqual(context.events, [
    { type: 'custom', name: 'one' },
    { type: 'custom', name: 'two', data: 2 },
  ])
})

test('is paused and resumed like a worker', () => {
  const context = new TestContext('mine')
  assert.equal(context.isReady(), true)
  assert.throws(() => context.resume(), {
    code: 'ERR_WORKER_STATE',
    message: 'cannot resume worker "mine": it is running',
  })
  context.pause()
  assert.equal(context.isPaused(), true)
  assert.equal(context.isReady(), false)
  assert.throws(() => context.pause(), { code: 'ERR_WORKER_STATE' })
  context.resume()
  assert.equal(context.isRunning(), true)
})

test('stops when what it tracks has settled, well or not', async () => {
  const context = new TestContext()
  const good = Promise.withResolvers<number>()
  const bad = Promise.withResolvers<number>()
  assert.equal(context.track(good.promise), good.promise)
  const rejected = assert.rejects(context.track(bad.promise), /bad/)
  assert.equal(context.taskCount, 2)
  assert.equal(context.signal.aborted, false)
  context.stop()
  context.stop()
  assert.equal(context.state, 'stopping')
  assert.equal(context.signal.aborted, true)
  assert.equal(context.isShuttingDown(), true)
  good.resolve(5)
  await good.promise
  assert.equal(context.state, 'stopping')
  assert.equal(context.hasPendingTasks(), true)
  bad.reject(new Error('bad'))
  await rejected
  await context.stopped
  assert.equal(context.state, 'stopped')
  assert.equal(context.hasPendingTasks(), false)
})
