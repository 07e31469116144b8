import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionError } from '../../src/internal/validate.ts'
import { type Duration, durationMs } from '../../src/time/duration.ts'

const accepted: readonly (readonly [Duration, number])[] = [
  [0, 0],
  [250, 250],
  ['250ms', 250],
  ['0s', 0],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1.5h', 5_400_000],
  ['7d', 604_800_000],
  ['36525d', 3_155_760_000_000],
  // Whole milliseconds, although 1.1 times 1000 is a little more.
  ['1.1s', 1_100],
  [0.4, 0],
  [0.5, 1],
  [1e3 / 3, 333],
]

for (const [value, ms] of accepted) {
  test(`${value} is ${ms} ms`, () => assert.equal(durationMs('wait', value), ms))
}

const refused: readonly unknown[] = [
  -1,
  -0.1,
  Number.NaN,
  Infinity,
  3_155_760_000_001,
  '36526d',
  '',
  's',
  '5',
  '5 s',
  ' 5s',
  '5s ',
  '5S',
  '5s\n',
  '-5s',
  '+5s',
  '1e3ms',
  '0x10s',
  '.5s',
  '5.s',
  '5sec',
  '5w',
  '1h30m',
  '9'.repeat(400) + 'd',
  null,
  undefined,
  true,
  5n,
  [5],
  { valueOf: () => 5 },
  new Date(0),
]

for (const value of refused) {
  test(`refuses ${typeof value} ${typeof value === 'string' ? JSON.stringify(value).slice(0, 20) : String(value)}`, () => {
    assert.throws(
      () => durationMs('wait', value),
      (error) =>
        error instanceof OptionError &&
        error.option === 'wait' &&
        error.message.startsWith("wait: expected a duration such as 250, '250ms'"),
    )
  })
}

test('a least duration is part of the message', () => {
  assert.equal(durationMs('timeout', 1, { min: 1 }), 1)
  assert.throws(
    () => durationMs('timeout', '0s', { min: 1 }),
    /timeout: expected a duration of at least 1 ms such as .*, got "0s"/,
  )
  assert.throws(() => durationMs('timeout', 0.4, { min: 1 }), OptionError)
})
