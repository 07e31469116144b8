import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import type { Clock } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

test('a timer that fires a little before its time makes no beat more', async () => {
  const time = new TestClock()
  const early: Clock = {
    now: () => time.now(),
    monotonic: () => time.monotonic(),
    setTimer: (callback, ms) => time.setTimer(callback, Math.max(0, ms - 0.75)),
  }
  const storage = new MemoryStorage({ clock: early, lease: '3s' })
  let beats = 0
  const worker = new WorkerBuilder('w')
    .backend(storage.queue<number>('work'))
    .onEvent(({ type }) => {
      if (type === 'heartbeat') beats += 1
    })
    .build(() => {})
  const running = worker.run()
  await time.advance('10s')
  // One at the start, and one a second.
  assert.equal(beats, 11)
  worker.stop()
  await running
})
