import assert from 'node:assert/strict'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptionError } from '../../src/internal/validate.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep, turn } from '../../src/time/clock.ts'

const START = Date.UTC(2030, 0, 1)

test('starts where it is told and stands still', async () => {
  assert.equal(new TestClock().now(), START)
  assert.equal(new TestClock(5).now(), 5)
  assert.equal(new TestClock(new Date(7)).now(), 7)
  const clock = new TestClock()
  await turn()
  assert.equal(clock.now(), START)
  assert.equal(clock.monotonic(), 0)
})

test('refuses a start, an advance or a step that is no time', () => {
  assert.throws(() => new TestClock(Number.NaN), OptionError)
  assert.throws(() => new TestClock(new Date('nonsense')), OptionError)
  const clock = new TestClock()
  assert.throws(() => clock.advance(-1), /advance: expected a number/)
  assert.throws(() => clock.advance(Number.NaN), /advance: expected a number/)
  assert.throws(() => clock.advance('-1s'), /advance: expected a duration/)
  assert.throws(() => clock.step(Number.POSITIVE_INFINITY), /step: expected a number/)
})

test('advance moves both clocks and takes any duration', async () => {
  const clock = new TestClock()
  await clock.advance('1.5s')
  await clock.advance(10)
  assert.equal(clock.now(), START + 1_510)
  assert.equal(clock.monotonic(), 1_510)
  await clock.advance(0.5)
  assert.equal(clock.now(), START + 1_510)
  assert.equal(clock.monotonic(), 1_510.5)
})

test('step moves the wall clock only, either way, and fires nothing', async () => {
  const clock = new TestClock()
  let fired = 0
  clock.setTimer(() => (fired += 1), 100)
  clock.step(60_000)
  clock.step(-90_000)
  await clock.settle()
  assert.equal(clock.now(), START - 30_000)
  assert.equal(clock.monotonic(), 0)
  assert.equal(fired, 0)
  await clock.advance(100)
  assert.equal(fired, 1)
})

test('timers fire in order of due time, ties by creation, each at its own instant', async () => {
  const clock = new TestClock()
  const fired: string[] = []
  const arm = (name: string, ms: number): void => {
    clock.setTimer(() => fired.push(`${name}@${clock.monotonic()}/${clock.now() - START}`), ms)
  }
  arm('c', 30)
  arm('a', 10)
  arm('b', 20)
  arm('b2', 20)
  arm('late', 41)
  await clock.advance(40)
  assert.deepEqual(fired, ['a@10/10', 'b@20/20', 'b2@20/20', 'c@30/30'])
  assert.equal(clock.timers, 1)
  await clock.advance(1)
  assert.equal(fired.at(-1), 'late@41/41')
  assert.equal(clock.timers, 0)
})

test('a cancelled timer does not fire, and cancelling twice takes no other away', async () => {
  const clock = new TestClock()
  let fired = 0
  const first = clock.setTimer(() => assert.fail('fired'), 10)
  clock.setTimer(() => (fired += 1), 10)
  first.cancel()
  first.cancel()
  assert.equal(clock.timers, 1)
  await clock.advance(10)
  assert.equal(fired, 1)
})

test('a timer can cancel one of the same instant', async () => {
  const clock = new TestClock()
  clock.setTimer(() => second.cancel(), 10)
  const second = clock.setTimer(() => assert.fail('fired'), 10)
  await clock.advance(20)
  assert.equal(clock.timers, 0)
})

test('what a timer sets in motion is over before the next fires, at the same instant too', async () => {
  const clock = new TestClock()
  const log: string[] = []
  const work = async (name: string): Promise<void> => {
    log.push(`${name} begins at ${clock.monotonic()}`)
    await turn()
    for (let index = 0; index < 100; index += 1) await Promise.resolve()
    await turn()
    log.push(`${name} ends at ${clock.monotonic()}`)
  }
  clock.setTimer(() => void work('a'), 5)
  clock.setTimer(() => void work('b'), 5)
  clock.setTimer(() => void work('c'), 7)
  await clock.advance(100)
  assert.deepEqual(log, [
    'a begins at 5',
    'a ends at 5',
    'b begins at 5',
    'b ends at 5',
    'c begins at 7',
    'c ends at 7',
  ])
})

test('one advance fires the timers that its timers arm, as far as it goes', async () => {
  const clock = new TestClock()
  const beats: number[] = []
  const loop = async (): Promise<void> => {
    for (;;) {
      await sleep(clock, 10)
      await turn()
      beats.push(clock.monotonic())
    }
  }
  void loop()
  await clock.advance(35)
  assert.deepEqual(beats, [10, 20, 30])
  await clock.advance(5)
  assert.deepEqual(beats, [10, 20, 30, 40])
})

test('what was in motion before an advance arms its timers at the instant it starts from', async () => {
  const clock = new TestClock()
  let woke = -1
  const later = async (): Promise<void> => {
    await turn()
    await sleep(clock, 10)
    woke = clock.monotonic()
  }
  void later()
  await clock.advance(10)
  assert.equal(woke, 10)
})

test('a timer of no length fires at the next advance, even one by nothing', async () => {
  const clock = new TestClock()
  const fired: number[] = []
  clock.setTimer(() => fired.push(0), 0)
  clock.setTimer(() => fired.push(1), -5)
  clock.setTimer(() => fired.push(2), Number.NaN)
  assert.deepEqual(fired, [])
  await clock.advance(0)
  assert.deepEqual(fired, [0, 1, 2])
})

test('calls of advance made at once or from a timer follow each other', async () => {
  const clock = new TestClock()
  const fired: number[] = []
  let nested: Promise<void> | undefined
  clock.setTimer(() => {
    fired.push(clock.monotonic())
    nested = clock.advance(5)
  }, 10)
  for (const ms of [15, 24, 31]) clock.setTimer(() => fired.push(clock.monotonic()), ms)
  const first = clock.advance(20)
  const second = clock.advance(5)
  await first
  assert.equal(clock.monotonic(), 20)
  await second
  assert.equal(clock.monotonic(), 25)
  await nested
  assert.equal(clock.monotonic(), 30)
  assert.deepEqual(fired, [10, 15, 24])
})

test('what a callback throws rejects that advance and no other', async () => {
  const clock = new TestClock()
  let fired = 0
  clock.setTimer(() => {
    throw new Error('from a timer')
  }, 10)
  clock.setTimer(() => (fired += 1), 20)
  const failing = clock.advance(30)
  const next = clock.advance(10)
  await assert.rejects(failing, /from a timer/)
  await next
  assert.equal(clock.monotonic(), 20)
  assert.equal(fired, 1)
})

test('a loop of timers without length is an error, not a hang', async () => {
  const clock = new TestClock()
  const again = (): void => void clock.setTimer(again, 0)
  again()
  await assert.rejects(clock.advance(1), /without end/)
})

test('many timers of one instant all fire, in order', async () => {
  const clock = new TestClock()
  const fired: number[] = []
  for (let index = 0; index < 500; index += 1) clock.setTimer(() => fired.push(index), 1)
  await clock.advance(1)
  assert.deepEqual(
    fired,
    Array.from({ length: 500 }, (_, index) => index),
  )
})

test('settle waits for file work that a timer began', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'test-clock-'))
  context.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'journal')
  const clock = new TestClock()
  let written = ''
  const write = async (): Promise<void> => {
    const file = await open(path, 'w')
    for (let line = 0; line < 5; line += 1) {
      await file.appendFile(`${line}\n`)
      await file.sync()
    }
    await file.close()
    written = await readFile(path, 'utf8')
  }
  clock.setTimer(() => void write(), 10)
  await clock.advance(10)
  assert.equal(written, '0\n1\n2\n3\n4\n')
})

test('what asks for many turns of the event loop has not come to rest, and several may wait for it', async () => {
  const [one, other] = [new TestClock(), new TestClock()]
  let turns = 0
  const many = (async () => {
    for (; turns < 50; turns += 1) await turn()
  })()
  await Promise.all([one.settle(), other.settle(), one.settle()])
  assert.equal(turns, 50)
  await many
  let endless = true
  const end = (async () => {
    while (endless) await turn()
  })()
  await one.settle()
  endless = false
  await end
})
