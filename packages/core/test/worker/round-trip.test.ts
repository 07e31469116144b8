import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep } from '../../src/time/clock.ts'
import { RoundTrip } from '../../src/worker/round-trip.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { looseTask } from './custom-backend.ts'

test('looks ahead for as long as claims usually take', () => {
  const trip = new RoundTrip()
  assert.equal(trip.aheadMs, 0)
  for (const ms of [4, 5, 900, 4, 6]) trip.measure(ms)
  assert.equal(trip.aheadMs, 5)
  for (let claims = 0; claims < 9; claims += 1) trip.measure(20)
  assert.equal(trip.aheadMs, 20)
  for (let claims = 0; claims < 9; claims += 1) trip.measure(0.2)
  assert.equal(trip.aheadMs, 0)
})

/** The limits that a worker of concurrency 10 claims with, when claims take 20 ms and handlers `handlerMs`. */
async function limitsWith(handlerMs: number): Promise<readonly number[]> {
  const clock = new TestClock()
  const limits: number[] = []
  const worker = new WorkerBuilder('w')
    .backend({
      name: 'far away',
      clock,
      poll: () => ({
        async next(limit, signal) {
          if (signal.aborted) return []
          limits.push(limit)
          await sleep(clock, 20)
          return Array.from({ length: limit }, (_, index) => looseTask(index))
        },
        close: async () => {},
      }),
      settle: async (settlements) => settlements.map(() => 'applied'),
    })
    .layer(concurrency(10))
    .build(() => sleep(clock, handlerMs))
  const running = worker.run()
  await clock.advance(2_000)
  worker.stop()
  await clock.advance(handlerMs + 100)
  await running
  return limits
}

test('fast handlers behind a slow claim are claimed for ahead', async () => {
  const limits = await limitsWith(10)
  assert.equal(limits[0], 10)
  // When the first of ten has ended, a claim asks for what the others will have left as well.
  assert.ok(Math.min(...limits.slice(4)) > 1, String(limits))
})

test('nothing is claimed ahead for slow handlers', async () => {
  const limits = await limitsWith(1_000)
  assert.ok(
    limits.every((limit) => limit <= 11),
    String(limits),
  )
})
