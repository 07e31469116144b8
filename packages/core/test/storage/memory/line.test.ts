import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Line } from '../../../src/storage/memory/line.ts'
import type { Standing } from '../../../src/storage/memory/line.ts'
import { seeded } from './seeded.ts'

class Item implements Standing<Item> {
  readonly key: number
  readonly tie: number
  line: Line<Item> | undefined = undefined
  place = 0

  constructor(key: number, tie: number) {
    this.key = key
    this.tie = tie
  }
}

function line(): Line<Item> {
  return new Line({ key: (item) => item.key, tie: (item) => item.tie })
}

/** Takes out the first one until none is left. */
function drain(from: Line<Item>): (readonly [key: number, tie: number])[] {
  const order: (readonly [number, number])[] = []
  for (let item = from.first(); item !== undefined; item = from.first()) {
    from.delete(item)
    order.push([item.key, item.tie])
  }
  return order
}

test('items come out by key, then by tie, in whatever order they came', () => {
  for (const keys of [
    [1, 2, 3, 4, 5, 6],
    [6, 5, 4, 3, 2, 1],
    [3, 1, 3, 2, 1, 3],
    [1, 9, 2, 8, 3, 7],
  ]) {
    const items = keys.map((key, tie) => new Item(key, tie))
    const here = line()
    for (const item of items) here.add(item)
    assert.equal(here.size, 6)
    assert.deepEqual(
      drain(here),
      items.toSorted((a, b) => a.key - b.key || a.tie - b.tie).map(({ key, tie }) => [key, tie]),
    )
    assert.equal(here.size, 0)
    assert.equal(here.first(), undefined)
  }
})

test('an item knows the line it stands in, and none once it has left', () => {
  const here = line()
  const item = new Item(1, 1)
  here.add(item)
  assert.equal(item.line, here)
  here.delete(item)
  assert.equal(item.line, undefined)
})

test('an item may come again with another key', () => {
  const here = line()
  const [a, b] = [new Item(1, 1), new Item(2, 2)]
  here.add(a)
  here.add(b)
  here.delete(a)
  const again = new Item(3, 1)
  here.add(again)
  assert.equal(here.first(), b)
  here.delete(b)
  here.add(b)
  assert.deepEqual(drain(here), [
    [2, 2],
    [3, 1],
  ])
})

test('nobody gets lost or moved when the holes that others left are closed', () => {
  const here = line()
  const items = Array.from({ length: 1_000 }, (_, index) => new Item(index, 0))
  for (const item of items) here.add(item)
  // The first and the last stay, so that all holes are between those who stand.
  const staying = items.filter(({ key }) => key % 111 === 0)
  for (const item of items) if (!staying.includes(item)) here.delete(item)
  assert.equal(here.size, staying.length)
  const late = new Item(5_000, 0)
  here.add(late)
  const [, second, third, ...others] = staying
  assert.ok(second && third)
  here.delete(second)
  here.delete(third)
  assert.deepEqual(
    drain(here).map(([key]) => key),
    [0, ...others.map(({ key }) => key), 5_000],
  )
})

test('any sequence of comings and goings keeps the order', () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = seeded(seed)
    // Mostly in order, mostly out of order, and anything between.
    const disorder = random(100)
    const here = line()
    let standing: Item[] = []
    for (let step = 0; step < 2_000; step += 1) {
      const roll = random(100)
      if (roll < 50 + (step < 1_000 ? 10 : -10)) {
        const item = new Item(random(100) < disorder ? random(step + 1) : step, step)
        here.add(item)
        standing.push(item)
      } else if (standing.length > 0) {
        const index = random(100) < 60 ? first(standing) : random(standing.length)
        const [item] = standing.splice(index, 1)
        assert.ok(item)
        here.delete(item)
      }
      assert.equal(here.size, standing.length)
      assert.equal(here.first(), standing[first(standing)], `seed ${seed}, step ${step}`)
    }
    standing = standing.toSorted((a, b) => a.key - b.key || a.tie - b.tie)
    assert.deepEqual(
      drain(here),
      standing.map(({ key, tie }) => [key, tie]),
    )
  }
})

function first(items: readonly Item[]): number {
  let best = 0
  for (const [index, item] of items.entries()) {
    const other = items[best]
    if (other && (item.key - other.key || item.tie - other.tie) < 0) best = index
  }
  return best
}
