import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { type Clock, turn } from '../../src/time/clock.ts'
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

/**
 * Whether the event loop had a turn between the second answer of a source, which comes after `wait` and when the loop seems
 * to have had none for a second, and the third call of it. All its answers are empty.
 */
async function turnsAfter(wait: () => Promise<void>): Promise<boolean> {
  let time = 1_000
  let turned = false
  const answers = [
    async () => {},
    async () => {
      await wait()
      time += 1_000
      setImmediate(() => {
        turned = true
      })
    },
  ]
  let turnedBefore: boolean | undefined
  const source: Backend<number> = {
    name: 'source',
    poll: () => ({
      next: async () => {
        const answer = answers.shift()
        await answer?.()
        if (answer !== undefined) return []
        turnedBefore = turned
        return undefined
      },
      close: async () => {},
    }),
  }
  await new WorkerBuilder('waiting', { clock: clockWith({ loopTime: () => time }) })
    .backend(source)
    .build(() => {})
    .run()
  return turnedBefore ?? assert.fail('the source was not asked again')
}

test('a worker that waited for work asks for it in the turn in which it came', async () => {
  assert.equal(await turnsAfter(turn), false)
})

test('one whose source answers at once that there is nothing gives the event loop a turn', async () => {
  assert.equal(await turnsAfter(async () => {}), true)
})

test('the ids of incarnations are from the chance of the clock, where it has one', () => {
  const idWith = (clock: Clock): string =>
    new WorkerBuilder('drawn', { clock }).backend(new ListBackend([1])).build((n) => n).context.id
  const half = clockWith({ random: () => 0.5 })
  assert.equal(idWith(half), idWith(half))
  assert.notEqual(idWith(new TestClock()), idWith(new TestClock()))
})
