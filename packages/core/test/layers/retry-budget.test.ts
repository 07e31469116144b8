import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryBudget } from '../../src/layers/retry-budget.ts'

function withdrawAll(budget: ReturnType<typeof retryBudget>, now: number): number {
  let taken = 0
  while (budget.withdraw(now)) taken += 1
  return taken
}

test('gives a share of the first calls', () => {
  const budget = retryBudget({ ratio: 0.2, minPerSecond: 0 })
  assert.equal(budget.withdraw(0), false)
  for (let call = 0; call < 4; call += 1) budget.deposit(0)
  assert.equal(budget.withdraw(0), false)
  budget.deposit(0)
  assert.equal(withdrawAll(budget, 0), 1)
  for (let call = 0; call < 95; call += 1) budget.deposit(5)
  assert.equal(withdrawAll(budget, 10), 19)
})

test('a ratio above 1 gives more than one', () => {
  const budget = retryBudget({ ratio: 3, minPerSecond: 0 })
  budget.deposit(0)
  assert.equal(withdrawAll(budget, 0), 3)
})

test('gives its minimum whatever there was, for the window', () => {
  const budget = retryBudget({ ratio: 0, minPerSecond: 2, window: '5s' })
  budget.deposit(0)
  assert.equal(withdrawAll(budget, 0), 10)
  assert.equal(withdrawAll(budget, 4_499), 0)
  assert.equal(withdrawAll(budget, 5_000), 10)
})

test('forgets calls and retries after the window, and begins anew after a long time', () => {
  const budget = retryBudget({ ratio: 1, minPerSecond: 0, window: '10s' })
  for (let second = 0; second < 10; second += 1) budget.deposit(second * 1_000)
  assert.equal(withdrawAll(budget, 9_500), 10)
  // The first call is forgotten, the retries are not yet.
  budget.deposit(10_000)
  assert.equal(withdrawAll(budget, 10_000), 0)
  budget.deposit(1e9)
  assert.equal(withdrawAll(budget, 1e9), 1)
})

test('over any window there are never more retries than the ratio and the minimum allow', () => {
  const windowMs = 10_000
  const budget = retryBudget({ ratio: 0.3, minPerSecond: 0.5, window: windowMs })
  const calls: number[] = []
  const retries: number[] = []
  let seed = 7
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  for (let now = 0; now < 300_000; now += Math.floor(random() * 40)) {
    if (random() < 0.5) {
      budget.deposit(now)
      calls.push(now)
    } else if (budget.withdraw(now)) {
      retries.push(now)
    }
  }
  assert.ok(retries.length > 500)
  const within = (times: readonly number[], from: number, to: number): number =>
    times.filter((time) => time > from && time <= to).length
  for (let end = windowMs; end < 300_000; end += 777) {
    // To a tenth of the window: what lies in a slot is counted as a whole.
    const allowed = 5 + 0.3 * within(calls, end - windowMs, end)
    const made = within(retries, end - windowMs * 0.9, end)
    assert.ok(made <= allowed, `${made} retries at ${end}, ${allowed} allowed`)
  }
})

test('refuses options it cannot use', () => {
  for (const [options, option] of [
    [{ ratio: -1 }, 'retryBudget ratio'],
    [{ ratio: null }, 'retryBudget ratio'],
    [{ minPerSecond: null }, 'retryBudget minPerSecond'],
    [{ window: null }, 'retryBudget window'],
    [{ ratio: Infinity }, 'retryBudget ratio'],
    [{ minPerSecond: -1 }, 'retryBudget minPerSecond'],
    [{ window: 999 }, 'retryBudget window'],
    [{ ttl: '1s' }, 'retryBudget.ttl'],
    [null, 'retryBudget'],
  ] as const) {
    // @ts-expect-error not all of them are options
    assert.throws(() => retryBudget(options), { code: 'ERR_OPTION', option })
  }
})
