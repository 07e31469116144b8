import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shorten } from '../../src/testing/model/shorten.ts'

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)
const none = () => []

test('what is left is what is needed, in its order', async () => {
  const needed = [3, 40, 41, 99]
  const asked: number[][] = []
  const shortest = await shorten(
    upTo(100),
    async (items) => {
      asked.push([...items])
      return needed.every((item) => items.includes(item))
    },
    none,
  )
  assert.deepEqual(shortest, needed)
  assert.ok(asked.length < 100, `${asked.length} checks`)
})

test('what is needed only together stays together', async () => {
  const together = async (items: readonly number[]) => items.includes(5) === items.includes(6)
  const shortest = await shorten(
    upTo(8),
    async (items) => items.includes(7) && (await together(items)),
    none,
  )
  assert.ok(shortest.includes(7))
  assert.equal(shortest.includes(5), shortest.includes(6))
})

test('simpler items take the places of others, as far as it goes', async () => {
  const shortest = await shorten(
    [9, 7, 20],
    async (items) => items.some((item) => item >= 6),
    (item) => (item > 0 ? [item - 1] : []),
  )
  assert.deepEqual(shortest, [6])
})

test('what cannot be left out is given back as it was, after a bounded number of checks', async () => {
  let checks = 0
  const items = upTo(2_000)
  const shortest = await shorten(
    items,
    async () => {
      checks += 1
      return false
    },
    none,
  )
  assert.deepEqual(shortest, items)
  assert.equal(checks, 500)
})
