import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Shutdown } from '../../src/monitor/shutdown.ts'

test('starts once, and says so to everybody who waits', async () => {
  const shutdown = new Shutdown()
  assert.equal(shutdown.isShuttingDown(), false)
  assert.equal(shutdown.signal.aborted, false)
  let aborts = 0
  shutdown.signal.addEventListener('abort', () => (aborts += 1))
  const waiting = Array.from({ length: 100 }, () => shutdown.whenStarted)
  shutdown.start()
  shutdown.start()
  await Promise.all(waiting)
  await shutdown.whenStarted
  assert.equal(shutdown.isShuttingDown(), true)
  assert.equal(shutdown.signal.aborted, true)
  assert.equal(aborts, 1)
})

test('starts after a promise, whose result it passes through', async () => {
  const shutdown = new Shutdown()
  const { promise, resolve } = Promise.withResolvers<number>()
  const after = shutdown.shutdownAfter(promise)
  await Promise.resolve()
  assert.equal(shutdown.isShuttingDown(), false)
  resolve(7)
  assert.equal(await after, 7)
  assert.equal(shutdown.isShuttingDown(), true)
})

test('starts after a promise that rejects, and passes that through', async () => {
  const shutdown = new Shutdown()
  const error = new Error('boom')
  await assert.rejects(shutdown.shutdownAfter(Promise.reject(error)), error)
  assert.equal(shutdown.isShuttingDown(), true)
})
