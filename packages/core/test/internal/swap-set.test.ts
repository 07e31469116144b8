import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Slotted, SwapSet } from '../../src/internal/swap-set.ts'

interface Member extends Slotted {
  readonly name: number
}

const member = (name: number): Member => ({ name, slot: -1 })

test('adds, knows and deletes each member once', () => {
  const set = new SwapSet<Member>()
  const [one, two] = [member(1), member(2)]
  set.add(one)
  set.add(one)
  set.add(two)
  assert.equal(set.size, 2)
  assert.equal(set.delete(one), true)
  assert.equal(set.delete(one), false)
  assert.equal(set.has(one), false)
  assert.equal(set.has(two), true)
  assert.deepEqual(set.all(), [two])
  assert.equal(set.delete(two), true)
  assert.equal(set.size, 0)
})

test('all are those of the moment, whatever is deleted while one looks at them', () => {
  const set = new SwapSet<Member>()
  const members = Array.from({ length: 10 }, (_, name) => member(name))
  for (const one of members) set.add(one)
  const seen = []
  for (const one of set.all()) {
    seen.push(one.name)
    set.delete(one)
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.equal(set.size, 0)
})

test('is what a Set would be under random use', () => {
  const set = new SwapSet<Member>()
  const model = new Set<Member>()
  const members = Array.from({ length: 50 }, (_, name) => member(name))
  let seed = 7
  for (let step = 0; step < 20_000; step += 1) {
    seed = (seed * 48_271) % 2_147_483_647
    const one = members[seed % members.length]
    assert.ok(one !== undefined)
    if (seed % 3 === 0) assert.equal(set.delete(one), model.delete(one))
    else {
      set.add(one)
      model.add(one)
    }
    assert.equal(set.size, model.size)
    assert.equal(set.has(one), model.has(one))
  }
  assert.deepEqual(new Set(set.all()), model)
})
