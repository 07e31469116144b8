import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'

import { grouped, inOrder } from '../src/in-order.ts'
import { allOf } from './all-of.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number += 1) yield number
}

test('outcomes come in the order of the items, whatever ends first', async () => {
  const ends = new Map<number, () => void>()
  const outcomes = inOrder(numbers(3), 3, async (number) => {
    await new Promise<void>((resolve) => ends.set(number, resolve))
    return `of ${number}`
  })
  const all = allOf(outcomes)
  while (ends.size < 3) await setImmediate()
  for (const number of [2, 1, 0]) ends.get(number)?.()
  assert.deepEqual(await all, ['of 0', 'of 1', 'of 2'])
})

test('begins no more than allowed ahead of what was given out', async () => {
  let begun = 0
  let given = 0
  let most = 0
  for await (const _ of inOrder(numbers(50), 4, async () => {
    begun += 1
    most = Math.max(most, begun - given)
  })) {
    given += 1
  }
  assert.deepEqual({ begun, given, most }, { begun: 50, given: 50, most: 4 })
})

test('a rejection comes in its turn', async () => {
  const got: number[] = []
  const outcomes = inOrder(numbers(4), 4, async (number) => {
    if (number === 2) throw new Error('two')
    return number
  })
  await assert.rejects(async () => {
    for await (const number of outcomes) got.push(number)
  }, /^Error: two$/)
  assert.deepEqual(got, [0, 1])
})

test('groups, the last one smaller', async () => {
  assert.deepEqual(await allOf(grouped(numbers(5), 2)), [[0, 1], [2, 3], [4]])
  assert.deepEqual(await allOf(grouped(numbers(4), 2)), [
    [0, 1],
    [2, 3],
  ])
  assert.deepEqual(await allOf(grouped(numbers(0), 2)), [])
})
