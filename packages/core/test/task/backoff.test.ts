import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionError } from '../../src/internal/validate.ts'
import {
  type Backoff,
  constant,
  decorrelated,
  exponential,
  linear,
} from '../../src/task/backoff.ts'
import { TaskBuilder } from '../../src/task/task-builder.ts'
import type { Duration } from '../../src/time/duration.ts'

const task = new TaskBuilder<unknown>(1).build()

function waits(backoff: Backoff, attempts: readonly number[]): unknown[] {
  return attempts.map((attempt) => backoff(attempt, new Error('failed'), task))
}

/** A thousand waits before the same attempt. */
function sample(backoff: Backoff, attempt: number): number[] {
  return Array.from({ length: 1_000 }, () => Number(backoff(attempt, undefined, task)))
}

test('constant waits the same every time', () => {
  assert.deepEqual(waits(constant('2s'), [1, 2, 50]), [2_000, 2_000, 2_000])
})

test('linear grows by its step up to its maximum', () => {
  assert.deepEqual(
    waits(linear('10s', { max: '25s' }), [1, 2, 3, 1e6]),
    [10_000, 20_000, 25_000, 25_000],
  )
  assert.deepEqual(waits(linear('1h'), [1, 2]), [3_600_000, 3_600_000])
})

test('exponential grows by its factor up to its maximum', () => {
  const none = exponential('1s', { jitter: 0 })
  assert.deepEqual(waits(none, [1, 2, 3, 12, 13]), [1_000, 2_000, 4_000, 2_048_000, 3_600_000])
  const tenfold = exponential(5, { factor: 10, max: 4_000, jitter: 0 })
  assert.deepEqual(waits(tenfold, [1, 2, 3, 4]), [5, 50, 500, 4_000])
  assert.deepEqual(waits(exponential(7, { factor: 1, jitter: 0 }), [1, 90]), [7, 7])
})

test('waits are numbers after any number of attempts', () => {
  assert.deepEqual(
    waits(exponential('1s', { jitter: 0, factor: 100 }), [1e3, 1e6]),
    [3_600_000, 3_600_000],
  )
  assert.deepEqual(waits(exponential(0), [1, 5_000]), [0, 0])
  assert.deepEqual(waits(linear(0), [1, 5_000]), [0, 0])
  for (const wait of sample(exponential(), 100_000)) assert.ok(wait >= 0 && wait <= 3_600_000)
})

test('by default the whole wait of exponential is random', () => {
  const drawn = sample(exponential(), 5)
  assert.ok(drawn.every((wait) => Number.isInteger(wait) && wait >= 0 && wait <= 16_000))
  // Each of these fails once in 10^26 runs or less.
  assert.ok(drawn.some((wait) => wait < 1_600))
  assert.ok(drawn.some((wait) => wait > 14_400))
})

test('jitter is the share of the wait that is random, below the maximum', () => {
  const half = sample(linear('10s', { jitter: 0.5, max: '20s' }), 9)
  assert.ok(half.every((wait) => wait >= 10_000 && wait <= 20_000))
  assert.ok(half.some((wait) => wait < 11_000) && half.some((wait) => wait > 19_000))
})

test('decorrelated waits from its base to three times the wait before, up to its maximum', () => {
  const first = sample(decorrelated('1s'), 1)
  assert.ok(first.every((wait) => Number.isInteger(wait) && wait >= 1_000 && wait <= 3_000))
  assert.ok(first.some((wait) => wait < 1_200) && first.some((wait) => wait > 2_800))
  const third = sample(decorrelated('1s'), 3)
  assert.ok(third.every((wait) => wait >= 1_000 && wait <= 27_000))
  assert.ok(third.some((wait) => wait > 9_000))
  const later = sample(decorrelated('1s', { max: '20s' }), 1_000_000)
  assert.ok(later.every((wait) => wait >= 1_000 && wait <= 20_000))
  assert.ok(later.some((wait) => wait === 20_000) && later.some((wait) => wait < 15_000))
  assert.deepEqual(waits(decorrelated('1h', { max: '1s' }), [1, 2]), [1_000, 1_000])
  assert.deepEqual(waits(decorrelated(0), [1, 50]), [0, 0])
})

test('options that cannot be used are refused by name', () => {
  const refused: readonly (readonly [string, () => unknown])[] = [
    ['constant delay', () => constant('x' as Duration)],
    ['linear step', () => linear(-1)],
    ['linear max', () => linear('1s', { max: Number.NaN })],
    ['linear jitter', () => linear('1s', { jitter: 2 })],
    ['linear.factor', () => linear('1s', { factor: 2 } as object)],
    ['decorrelated base', () => decorrelated('x' as Duration)],
    ['decorrelated max', () => decorrelated('1s', { max: -1 })],
    ['decorrelated.jitter', () => decorrelated('1s', { jitter: 1 } as object)],
    ['exponential base', () => exponential(Infinity)],
    ['exponential factor', () => exponential('1s', { factor: 0.5 })],
    ['exponential jitter', () => exponential('1s', { jitter: -0.1 })],
    ['exponential.jiter', () => exponential('1s', { jiter: 1 } as object)],
  ]
  for (const [option, make] of refused) {
    assert.throws(make, (error) => error instanceof OptionError && error.option === option, option)
  }
})
