import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { concurrency } from '../../src/layers/concurrency.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { turn } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

const TASKS = 1_000_000
const BATCH = 10_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes in use when nothing is left to collect. */
async function heapUsed(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    await turn()
    collectGarbage()
  }
  return process.memoryUsage().heapUsed
}

/** What keeps the event loop alive, by kind. */
function resources(): string[] {
  return process.getActiveResourcesInfo().toSorted()
}

test('a million synchronous tasks leave the event loop its turns, and nothing behind', async () => {
  const storage = new MemoryStorage()
  const queue = storage.queue<number>('million')
  const runs = new Uint8Array(TASKS)
  let done = 0
  let fired = 0
  let deepest = 0

  async function work(count: number): Promise<void> {
    const worker = new WorkerBuilder('million')
      .backend(queue)
      .layer(concurrency(100))
      .build((index, { worker: me }) => {
        runs[index] = (runs[index] ?? 0) + 1
        done += 1
        if (done % 50_000 === 0) {
          const depth = (new Error().stack ?? '').split('\n').length
          deepest = Math.max(deepest, depth)
        }
        if (done === count) me.stop()
      })
    await worker.run()
  }

  // Once at a smaller scale, so that what is made once is there before we measure.
  await queue.pushBulk(Array.from({ length: BATCH }, (_, index) => index))
  await work(BATCH)
  await queue.vacuum()
  runs.fill(0)
  done = 0
  const heapBefore = await heapUsed()
  const resourcesBefore = resources()

  for (let from = 0; from < TASKS; from += BATCH) {
    await queue.pushBulk(Array.from({ length: BATCH }, (_, index) => from + index))
  }
  Error.stackTraceLimit = 200
  const timer = setInterval(() => {
    fired += 1
  }, 20)
  await work(TASKS)
  clearInterval(timer)
  Error.stackTraceLimit = 10

  assert.equal(done, TASKS)
  assert.ok(
    runs.every((count) => count === 1),
    'each exactly once',
  )
  assert.ok(fired >= 10, `the timer fired ${fired} times`)
  assert.ok(deepest < 40, `the stack does not grow: ${deepest} frames`)

  await queue.vacuum()
  const grown = (await heapUsed()) - heapBefore
  assert.ok(grown < 4_000_000, `${grown} bytes more in use than before`)
  assert.deepEqual(resources(), resourcesBefore)
})
