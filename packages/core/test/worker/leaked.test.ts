import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeout } from '../../src/layers/timeout.ts'
import type { Layer } from '../../src/service/service.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

/** A worker whose handlers end when the test says so, whatever their signals say. */
async function deafWorker(layer: Layer) {
  const clock = new TestClock()
  const queue = new MemoryStorage({ clock }).queue<number>('deaf', { attempts: 1 })
  const ends: PromiseWithResolvers<void>[] = []
  const leaked: number[] = []
  const worker = new WorkerBuilder('w')
    .backend(queue)
    .layer(layer)
    .onEvent((event, context) => {
      if (event.type === 'leaked') leaked.push(context.leaked)
    })
    .build(async () => {
      const end = Promise.withResolvers<void>()
      ends.push(end)
      await end.promise
    })
  const running = worker.run()
  const stop = async (): Promise<void> => {
    worker.stop()
    await running
  }
  await queue.pushBulk([1, 2])
  await clock.settle()
  return { clock, queue, worker: worker.context, ends, leaked, stop }
}

test('handlers that a timeout leaves behind are told and counted, as long as they run', async () => {
  const { clock, queue, worker, ends, leaked, stop } = await deafWorker(timeout('30s'))
  await clock.advance('30s')
  assert.equal((await queue.metrics()).killed, 2)
  assert.equal(worker.leaked, 0)
  await clock.advance('1s')
  assert.deepEqual(leaked, [1, 2])
  assert.equal(worker.leaked, 2)
  ends[0]?.resolve()
  await clock.settle()
  assert.equal(worker.leaked, 1)
  ends[1]?.reject(new Error('too late to matter'))
  await clock.settle()
  assert.equal(worker.leaked, 0)
  await stop()
})

test('one that ends within the grace is not', async () => {
  const { clock, worker, ends, leaked, stop } = await deafWorker(timeout('30s'))
  await clock.advance('30.5s')
  for (const { resolve } of ends) resolve()
  await clock.advance('10s')
  assert.deepEqual(leaked, [])
  assert.equal(worker.leaked, 0)
  await stop()
})

test('each try that is left behind counts', async () => {
  const twice: Layer = (inner) => ({
    call: async (request) => {
      await Promise.resolve(inner.call(request)).catch(() => {})
      return await inner.call(request)
    },
  })
  const both: Layer = (inner) => twice(timeout('1s')(inner))
  const { clock, worker, ends, leaked, stop } = await deafWorker(both)
  await clock.advance('1s')
  assert.equal(ends.length, 4)
  await clock.advance('2s')
  assert.deepEqual(leaked, [1, 2, 3, 4])
  for (const { resolve } of ends) resolve()
  await clock.settle()
  assert.equal(worker.leaked, 0)
  await stop()
})

test('a layer that keeps what came out of it counts like a handler', async () => {
  const kept: PromiseWithResolvers<void>[] = []
  const keeps: Layer = (inner) => ({
    call: async (request) => {
      const gate = Promise.withResolvers<void>()
      kept.push(gate)
      await gate.promise
      return await inner.call(request)
    },
  })
  const { clock, queue, worker, leaked, stop } = await deafWorker(keeps)
  const [task] = await queue.listTasks({ status: 'running' })
  assert(task !== undefined)
  await queue.kill(task.parts.taskId)
  await clock.advance('2s')
  assert.deepEqual(leaked, [1])
  assert.equal(worker.leaked, 1)
  for (const { reject } of kept) reject(new Error('let go'))
  await clock.settle()
  assert.equal(worker.leaked, 0)
  await stop()
})
