import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompletionRate } from '../../src/layers/completion-rate.ts'

/** A rate of `perTick` calls every 10 ms, measured for `ticks` of them; answers the time. */
function run(rate: CompletionRate, perTick: number, ticks: number, from = 0): number {
  let now = from
  rate.expected(1, now, true)
  for (let tick = 0; tick < ticks; tick += 1) {
    now += 10
    for (let ended = 0; ended < perTick; ended += 1) rate.count()
    rate.expected(1, now, true)
  }
  return now
}

test('is 0 before anything was measured', () => {
  const rate = new CompletionRate()
  assert.equal(rate.expected(1_000, 0, true), 0)
  rate.count()
  assert.equal(rate.expected(1_000, 4, true), 0)
})

test('is what ended in the time, rounded down', () => {
  const rate = new CompletionRate()
  const now = run(rate, 2, 10)
  assert.equal(rate.expected(10, now, true), 2)
  assert.equal(rate.expected(14.9, now, true), 2)
  assert.equal(rate.expected(4.9, now, true), 0)
})

test('is 0 for slow calls', () => {
  const rate = new CompletionRate()
  rate.expected(5, 0, true)
  rate.count()
  assert.equal(rate.expected(5, 30_000, true), 0)
})

test('is smoothed', () => {
  const rate = new CompletionRate()
  const before = run(rate, 100, 10)
  const one = run(rate, 0, 1, before)
  const expected = rate.expected(100, one, true)
  assert.ok(expected > 850 && expected < 950, `${expected}`)
  assert.equal(rate.expected(100, run(rate, 0, 200, one), true), 0)
})

test('does not fall while there is nothing to do', () => {
  const rate = new CompletionRate()
  const now = run(rate, 10, 10)
  assert.equal(rate.expected(10, now + 3_600_000, false), 10)
})
