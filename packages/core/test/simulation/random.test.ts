import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../src/testing/simulation/random.ts'

function first(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next())
}

test('the same key gives the same numbers, another key others', () => {
  assert.deepEqual(first(new Random('a'), 100), first(new Random('a'), 100))
  assert.notDeepEqual(first(new Random('a'), 3), first(new Random('b'), 3))
})

test('a fork does not depend on how much was drawn before', () => {
  const drawn = new Random('a')
  first(drawn, 10)
  assert.deepEqual(first(drawn.fork('x'), 10), first(new Random('a').fork('x'), 10))
  assert.notDeepEqual(first(drawn.fork('x'), 3), first(drawn.fork('y'), 3))
})

test('numbers are spread evenly, from 0 up to 1', () => {
  const numbers = first(new Random('even'), 20_000)
  assert.ok(numbers.every((number) => number >= 0 && number < 1))
  const tenths = Array.from({ length: 10 }, (_, tenth) =>
    numbers.filter((number) => Math.floor(number * 10) === tenth),
  )
  for (const { length } of tenths) assert.ok(length > 1_800 && length < 2_200, `${length}`)
})

test('whole numbers include both ends, picks every item, weights none of no weight', () => {
  const random = new Random('picks')
  const drawn = new Set(Array.from({ length: 200 }, () => random.between(3, 5)))
  assert.deepEqual(drawn, new Set([3, 4, 5]))
  const picked = new Set(Array.from({ length: 200 }, () => random.pick(['a', undefined])))
  assert.deepEqual(picked, new Set(['a', undefined]))
  const weighed = new Set(
    Array.from({ length: 200 }, () => random.weighted({ often: 3, rarely: 1, never: 0 })),
  )
  assert.deepEqual(weighed, new Set(['often', 'rarely']))
  assert.throws(() => random.pick([]), RangeError)
})
