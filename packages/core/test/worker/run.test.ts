import { test } from 'node:test'
import { TestClock } from '../../src/testing/test-clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { ListBackend } from './list-backend.ts'

test('a stop while the loop gives the event loop a turn ends the run', async () => {
  const clock = new TestClock()
  const worker = new WorkerBuilder('stopped', { clock })
    .backend(new ListBackend([1]))
    .build((n) => n)
  const running = worker.run()
  // The first thing that the loop does is such a turn, which outlasts any number of microtasks.
  for (let microtask = 0; microtask < 100; microtask += 1) await Promise.resolve()
  worker.stop()
  await running
})
