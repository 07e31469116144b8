import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackendError } from '../../src/errors/backend-errors.ts'
import type { Event } from '../../src/service/events.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { Gate } from '../../src/testing/conformance/kit.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

/** A worker that runs one task and holds another that has not started, on a store that can be made to fail. */
async function stopping() {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const queue = new Storage(store, { clock }).queue<string>('work')
  await queue.pushBulk(['runs', 'waits'])
  const running = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const failures: string[] = []
  const worker = new WorkerBuilder('w')
    .backend(queue)
    .layer(new Gate(2, 0).layer)
    .onEvent((event: Event) => {
      if (event.type === 'error' && 'operation' in event) failures.push(event.operation)
    })
    .build(() => {
      begun.resolve()
      return running.promise
    })
  const run = worker.run()
  await begun.promise
  return { clock, store, queue, worker, run, failures, finish: running.resolve }
}

test('a stop while the storage fails for a moment gives back all the same: nothing waits for the lease', async () => {
  const { clock, store, queue, worker, run, failures, finish } = await stopping()
  store.failBefore('settle', new Error('down'), { times: 1 })
  store.failBefore('leave', new Error('down'), { times: 3 })
  worker.stop()
  await clock.settle()
  finish()
  await clock.advance('5s')
  await run
  const { pending, done, workers } = await queue.metrics()
  assert.deepEqual([pending, done, workers], [1, 1, 0])
  assert.deepEqual(failures, ['release', 'leave', 'leave', 'leave'])
  assert.equal(clock.timers, 0)
})

test('a stop gives up a storage that does not come back, after ten seconds', async () => {
  const { clock, store, queue, worker, run, failures, finish } = await stopping()
  store.failBefore('settle', new Error('down'), { times: 1 })
  store.failBefore('leave', new Error('down'), { times: 1_000 })
  worker.stop()
  await clock.settle()
  finish()
  await clock.advance('9s')
  assert.equal(worker.context.state, 'stopping')
  await clock.advance('2s')
  await run
  assert.equal((await queue.metrics()).running, 1)
  assert.equal(failures.at(-1), 'leave')
  assert.equal(clock.timers, 0)
})

test('a stop does not repeat a leave that can never go well', async () => {
  const { clock, store, worker, run, failures, finish } = await stopping()
  store.failBefore('leave', new BackendError('leave', 'never', { transient: false }), { times: 9 })
  worker.stop()
  finish()
  await clock.settle()
  await run
  assert.deepEqual(failures, ['leave'])
  assert.equal(clock.timers, 0)
})
