import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../src/testing/simulation/random.ts'
import { SimulatedClock } from '../../src/testing/simulation/simulated-clock.ts'
import { Timeline } from '../../src/testing/simulation/timeline.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

function timelineOf(clock: TestClock): Timeline {
  return new Timeline({ clock, advance: (ms) => clock.advance(ms) })
}

const never = (): boolean => false

test('events come by time, then by rank, those made on the way included', async () => {
  const timeline = timelineOf(new TestClock())
  const seen: string[] = []
  const note = (what: string) => () => seen.push(`${timeline.now} ${what}`)
  timeline.schedule(20, 0.9, note('late rank'))
  timeline.schedule(20, 0.1, note('early rank'))
  timeline.schedule(10, 0.5, () => timeline.schedule(5, 0, note('made on the way')))
  timeline.schedule(15, 0, note('prevented'))()
  timeline.schedule(40, 0, note('too late'))
  await timeline.run(30, never)
  assert.deepEqual(seen, ['15 made on the way', '20 early rank', '20 late rank'])
  assert.equal(timeline.now, 30)
})

test('the time of the storage follows when it is asked, the wall clocks do at once', async () => {
  const clock = new TestClock(1_000)
  const timeline = timelineOf(clock)
  await timeline.run(500, never)
  assert.deepEqual([timeline.wall(), clock.now()], [1_500, 1_000])
  await timeline.reachStorage()
  assert.deepEqual([timeline.wall(), clock.now()], [1_500, 1_500])
  clock.step(100)
  assert.equal(timeline.wall(), 1_600)
})

test('a run ends as soon as somebody says so, and rejects with what an event throws', async () => {
  const timeline = timelineOf(new TestClock())
  let over = false
  timeline.schedule(5, 0, () => {
    over = true
  })
  await timeline.run(100, () => over)
  assert.equal(timeline.now, 5)
  timeline.schedule(5, 0, () => Promise.reject(new Error('an event fails')))
  await assert.rejects(timeline.run(100, never), /an event fails/)
})

test('timers are never early, and as late as they may be', async () => {
  const timeline = timelineOf(new TestClock())
  const clock = new SimulatedClock(timeline, new Random('timers'))
  clock.lateness = { usual: 10, rare: 50 }
  const late: number[] = []
  for (let timer = 0; timer < 200; timer += 1) {
    clock.setTimer(() => late.push(clock.monotonic() - 100), 100)
  }
  const cancelled = clock.setTimer(() => assert.fail('it was cancelled'), 100)
  cancelled.cancel()
  cancelled.cancel()
  assert.equal(clock.timers, 200)
  await timeline.run(1_000, never)
  assert.equal(clock.timers, 0)
  assert.equal(late.length, 200)
  assert.ok(late.every((ms) => ms >= 0 && ms <= 50))
  assert.ok(late.some((ms) => ms > 10) && late.some((ms) => ms <= 10))
})
