import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import type { Clock } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { ListBackend } from './list-backend.ts'

/** A test clock with more to it. */
function clockWith(more: Pick<Clock, 'random' | 'loopTime'>): Clock {
  return Object.assign(new TestClock(), more)
}

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

/** How many turns the event loop had by the last of 100 tasks that never wait. */
async function turnsWithin(loopTime: () => number): Promise<number> {
  let turns = 0
  let over = false
  const count = (): void => {
    turns += 1
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const worker = new WorkerBuilder('yielding', { clock: clockWith({ loopTime }) })
    .backend(new ListBackend(Array.from({ length: 100 }, (_, index) => index)))
    .layer(concurrency(100))
    .build(() => turns)
  let most = 0
  worker.listen((event) => {
    if (event.type === 'success') most = Math.max(most, Number(event.result))
  })
  await worker.run()
  over = true
  return most
}

test('the loop yields by the loop time of its clock', async () => {
  let time = 1_000
  const still = await turnsWithin(() => time)
  const running = await turnsWithin(() => (time += 6))
  assert.ok(running >= still + 3, `${running} turns with a time that runs, ${still} without`)
})

test('the ids of incarnations are from the chance of the clock, where it has one', () => {
  const idWith = (clock: Clock): string =>
    new WorkerBuilder('drawn', { clock }).backend(new ListBackend([1])).build((n) => n).context.id
  const half = clockWith({ random: () => 0.5 })
  assert.equal(idWith(half), idWith(half))
  assert.notEqual(idWith(new TestClock()), idWith(new TestClock()))
})
