import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PassageMap } from '../../src/internal/passage-map.ts'

test('it is a map, however much passes through it', () => {
  const map = new PassageMap<string, number>()
  const expected = new Map<string, number>()
  for (let index = 0; index < 50_000; index += 1) {
    map.set(`key ${index}`, index)
    expected.set(`key ${index}`, index)
    // A hundred stay, so that they move several times.
    if (index >= 200 && index % 500 !== 0) {
      const key = `key ${index - 100}`
      assert.equal(map.delete(key), expected.delete(key))
    }
  }
  assert.equal(map.size, expected.size)
  assert.deepEqual([...map.values()], [...expected.values()])
  for (const [key, value] of expected) assert.equal(map.get(key), value)
  assert.equal(map.get('key 150'), undefined)
  assert.equal(map.delete('key 150'), false)
})

test('it keeps more entries than it moves', () => {
  const map = new PassageMap<number, number>()
  for (let index = 0; index < 30_000; index += 1) map.set(index, -index)
  assert.equal(map.size, 30_000)
  for (let index = 0; index < 30_000; index += 1) assert.equal(map.get(index), -index)
})
