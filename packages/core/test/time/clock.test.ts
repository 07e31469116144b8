import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test, type TestContext } from 'node:test'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep, systemClock, turn } from '../../src/time/clock.ts'

const LONGEST_MS = 2 ** 31 - 1

/** What Node warns of while the test runs: of timers that are too long, negative or no number, for example. */
function warningsDuring(context: TestContext): string[] {
  const warnings: string[] = []
  const listen = (warning: Error): void => void warnings.push(warning.name)
  process.on('warning', listen)
  context.after(() => process.off('warning', listen))
  return warnings
}

function keptAlive(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
}

test('the system clock shows the time, and its monotonic side never goes back', () => {
  const before = Date.now()
  const now = systemClock.now()
  assert.ok(before <= now && now <= Date.now())
  const first = systemClock.monotonic()
  assert.ok(first > 0 && first <= systemClock.monotonic())
})

test('timers fire in order, cancelled ones never', async () => {
  const fired: string[] = []
  await new Promise<void>((resolve) => {
    systemClock.setTimer(resolve, 20)
    systemClock.setTimer(() => fired.push('b'), 10)
    systemClock.setTimer(() => fired.push('a'), 1)
    systemClock.setTimer(() => fired.push('cancelled'), 5).cancel()
  })
  assert.deepEqual(fired, ['a', 'b'])
})

test('cancelling a timer that has fired does nothing', async () => {
  let fired = 0
  const timer = await new Promise<{ cancel(): void }>((resolve) => {
    const armed = systemClock.setTimer(() => {
      fired += 1
      resolve(armed)
    }, 0)
  })
  timer.cancel()
  timer.cancel()
  await sleep(systemClock, 1)
  assert.equal(fired, 1)
})

test('a timer longer than Node can count does not fire at once', async (context) => {
  const warnings = warningsDuring(context)
  let fired = false
  const timer = systemClock.setTimer(() => (fired = true), LONGEST_MS + 1_001)
  context.after(() => timer.cancel())
  const endless = systemClock.setTimer(() => (fired = true), Infinity)
  context.after(() => endless.cancel())
  // Node would fire it after 1 ms, before this one.
  await sleep(systemClock, 10)
  await turn()
  assert.equal(fired, false)
  assert.deepEqual(warnings, [])
})

test('a long timer fires after all its legs, and can be cancelled in any', (context) => {
  // Fifty days that no test can wait for.
  context.mock.timers.enable({ apis: ['setTimeout'] })
  let fired = 0
  systemClock.setTimer(() => (fired += 1), 2 * LONGEST_MS + 500)
  const cancelled = systemClock.setTimer(() => assert.fail('fired'), 2 * LONGEST_MS + 500)
  context.mock.timers.tick(LONGEST_MS)
  context.mock.timers.tick(LONGEST_MS)
  cancelled.cancel()
  context.mock.timers.tick(499)
  assert.equal(fired, 0)
  context.mock.timers.tick(1)
  assert.equal(fired, 1)
  context.mock.timers.tick(LONGEST_MS)
  assert.equal(fired, 1)
})

test('a negative delay, or one of no number, is none, without a warning', async (context) => {
  const warnings = warningsDuring(context)
  await new Promise<void>((resolve) => void systemClock.setTimer(resolve, -5))
  await new Promise<void>((resolve) => void systemClock.setTimer(resolve, Number.NaN))
  await turn()
  assert.deepEqual(warnings, [])
})

test('only a timer in the foreground keeps the process alive', () => {
  const before = keptAlive()
  const background = systemClock.setTimer(() => undefined, 60_000, { background: true })
  assert.equal(keptAlive(), before)
  const foreground = systemClock.setTimer(() => undefined, 60_000)
  assert.equal(keptAlive(), before + 1)
  background.cancel()
  foreground.cancel()
  assert.equal(keptAlive(), before)
})

test('sleep ends when its time has come', async () => {
  const clock = new TestClock()
  let woke = false
  const sleeping = sleep(clock, 100).then(() => (woke = true))
  await clock.advance(99)
  assert.equal(woke, false)
  await clock.advance(1)
  assert.equal(await sleeping, true)
})

test('an abort ends sleep early and leaves nothing behind', async () => {
  const clock = new TestClock()
  const controller = new AbortController()
  const sleeping = sleep(clock, 100, { signal: controller.signal })
  assert.equal(clock.timers, 1)
  controller.abort(new Error('not thrown'))
  assert.equal(await sleeping, undefined)
  assert.equal(clock.timers, 0)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  await sleep(clock, 100, { signal: controller.signal })
  assert.equal(clock.timers, 0)
})

test('sleep leaves the signal alone when its time has come', async () => {
  const clock = new TestClock()
  const { signal } = new AbortController()
  const sleeping = sleep(clock, 100, { signal })
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  await clock.advance(100)
  await sleeping
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('sleep in the background does not keep the process alive', async () => {
  const before = keptAlive()
  const controller = new AbortController()
  const sleeping = sleep(systemClock, 60_000, { signal: controller.signal, background: true })
  assert.equal(keptAlive(), before)
  controller.abort()
  await sleeping
})

test('turn lets what waits for the event loop run first', async () => {
  const log: string[] = []
  setImmediate(() => log.push('immediate'))
  void Promise.resolve().then(() => log.push('promise'))
  await turn()
  assert.deepEqual(log, ['promise', 'immediate'])
})
