import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackendError } from '../../src/errors/backend-errors.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Process } from '../../src/testing/process.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

test('a failure that is stored after a claim beside it found nothing wakes the worker, without signals too', async () => {
  const clock = new TestClock()
  const { storage, wire, work } = new Process(new MemoryStore({ clock }), clock, {})
  wire.refuse('listen')
  // Then they go beside each other, as over two connections.
  wire.intercept('exchange', () =>
    Promise.reject(new BackendError('exchange', 'it is down', { applied: 'no' })),
  )
  const held = wire.hold('settle', 'before', 1)
  const tasks = storage.queue<string>('mail', { backoff: () => 0 })
  let runs = 0
  const worker = work(tasks, () => {
    runs += 1
    if (runs === 1) throw new Error('the first time')
  })
  await tasks.push('a')
  await clock.settle()
  assert.deepEqual([runs, held.count], [1, 1])
  held.letGo()
  await clock.settle()
  assert.equal(runs, 2)
  worker.context.stop()
  await worker.ended
})
