import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'

import { grouped, inOrder } from '../src/in-order.ts'
import { allOf } from './all-of.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number += 1) yield number
}

/** Work that ends when it is told to. */
class Work {
  readonly #ends = new Map<number, () => void>()
  most = 0

  readonly begin = async (number: number): Promise<string> => {
    await new Promise<void>((resolve) => {
      this.#ends.set(number, resolve)
      this.most = Math.max(this.most, this.#ends.size)
    })
    return `of ${number}`
  }

  /** The numbers worked on, once nothing more begins by itself. */
  async begun(): Promise<number[]> {
    await setImmediate()
    return [...this.#ends.keys()]
  }

  end(...numbers: number[]): void {
    for (const number of numbers) {
      this.#ends.get(number)?.()
      this.#ends.delete(number)
    }
  }
}

test('outcomes come in the order of the items, whatever ends first', async () => {
  const work = new Work()
  const all = allOf(inOrder(numbers(3), { atOnce: 3, ahead: 3 }, work.begin))
  assert.deepEqual(await work.begun(), [0, 1, 2])
  work.end(2, 1, 0)
  assert.deepEqual(await all, ['of 0', 'of 1', 'of 2'])
})

test('works on as many at once as it may, however slow the first is, and gets so far ahead', async () => {
  const work = new Work()
  const all = allOf(inOrder(numbers(9), { atOnce: 2, ahead: 5 }, work.begin))
  assert.deepEqual(await work.begun(), [0, 1])
  work.end(1)
  assert.deepEqual(await work.begun(), [0, 2])
  work.end(2)
  assert.deepEqual(await work.begun(), [0, 3])
  work.end(3)
  assert.deepEqual(await work.begun(), [0, 4])
  work.end(4)
  // Four wait for the first.
  assert.deepEqual(await work.begun(), [0])
  work.end(0)
  assert.deepEqual(await work.begun(), [5, 6])
  work.end(5, 6)
  assert.deepEqual(await work.begun(), [7, 8])
  work.end(7, 8)
  assert.equal((await all).length, 9)
  assert.equal(work.most, 2)
})

test('gives out what has ended without waiting for what has not', async () => {
  const work = new Work()
  const outcomes = inOrder(numbers(3), { atOnce: 2, ahead: 2 }, work.begin)
  const first = outcomes.next()
  await work.begun()
  work.end(0)
  assert.deepEqual(await first, { done: false, value: 'of 0' })
  assert.deepEqual(await work.begun(), [1])
})

test('a rejection comes in its turn', async () => {
  const got: number[] = []
  const outcomes = inOrder(numbers(4), { atOnce: 4, ahead: 4 }, async (number) => {
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
