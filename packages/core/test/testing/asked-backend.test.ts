import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { taskStream } from '../../src/backend/task-stream.ts'
import type { Layer } from '../../src/service/service.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { TaskBuilder } from '../../src/task/task-builder.ts'
import type { Task } from '../../src/task/task.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestWorker } from '../../src/testing/test-worker.ts'
import { ListBackend } from '../worker/list-backend.ts'

test('nothing runs on a paused queue, whenever it was paused, and all of it does again', async () => {
  const clock = new TestClock()
  const numbers = new MemoryStorage({ clock }).queue<number>('numbers')
  await numbers.push(1)
  await numbers.pause()
  await using worker = new TestWorker(numbers, (builder) => builder.build((n) => n))
  assert.equal(await worker.executeNext(), undefined)
  await clock.advance('1m')
  assert.equal(await worker.executeNext(), undefined)
  await numbers.resume()
  assert.equal((await worker.executeNext())?.result, 1)
  await numbers.push(2)
  await numbers.pause()
  await clock.settle()
  assert.equal(await worker.executeNext(), undefined)
  await numbers.resume()
  assert.equal((await worker.executeNext())?.result, 2)
})

test('a source that keeps nothing and ends', async () => {
  async function* source(): AsyncGenerator<Task<string> | undefined> {
    yield new TaskBuilder('a').build()
    yield undefined
    yield new TaskBuilder('b').build()
  }
  const backend: Backend<string> = { name: 'pipe', poll: () => taskStream(source()) }
  await using worker = new TestWorker(backend, (builder) =>
    builder.build((text) => text.toUpperCase()),
  )
  assert.equal((await worker.executeNext())?.result, 'A')
  assert.equal(await worker.executeNext(), undefined)
  assert.equal((await worker.executeNext())?.result, 'B')
  assert.equal(await worker.executeNext(), undefined)
  assert.equal(worker.context.state, 'stopped')
})

test('the backend keeps its layer, its clock and its settlements', async () => {
  const clock = new TestClock()
  const seen: unknown[] = []
  const layer: Layer = (inner) => ({
    call: (request) => {
      seen.push(request.task.args)
      return inner.call(request)
    },
  })
  const backend = new ListBackend([1, 2], { clock, layer })
  await using worker = new TestWorker(backend, (builder) => builder.build((n) => n + 1))
  for await (const _end of worker.stream());
  assert.deepEqual(seen, [1, 2])
  assert.deepEqual(backend.outcomes, [
    { type: 'done', result: 2 },
    { type: 'done', result: 3 },
  ])
})
