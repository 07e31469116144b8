import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differences } from '../../src/testing/model/differences.ts'

test('equal values differ in nothing, and a property that is undefined is none', () => {
  assert.deepEqual(differences({ a: [1, { b: 'x' }] }, { a: [1, { b: 'x' }] }, 0), [])
  assert.deepEqual(differences({ a: 1 }, { a: 1, b: undefined }, 0), [])
  assert.deepEqual(differences(undefined, undefined, 0), [])
})

test('every difference is told with where it is', () => {
  assert.deepEqual(
    differences({ rows: [{ id: 'a', n: 1 }], paused: true }, { rows: [{ id: 'b', n: 1 }, 2] }, 0),
    [
      'rows[0].id: expected "a", got "b"',
      'rows[1]: expected nothing, got 2',
      'paused: expected true, got nothing',
    ],
  )
  assert.deepEqual(differences('lost', { rows: [] }, 0), ['expected "lost", got {"rows": []}'])
  assert.deepEqual(differences([], {}, 0), ['expected [], got {}'])
  assert.deepEqual(differences([], [1], 0), ['[0]: expected nothing, got 1'])
})

test('what the contract does not know may be there, but not in what was given to the store', () => {
  assert.deepEqual(differences({ id: 'a' }, { id: 'a', seq: 1 }, 0), [])
  assert.deepEqual(differences({ id: 'a' }, { id: 'a', lockedBy: 'w' }, 0), [
    'lockedBy: expected nothing, got "w"',
  ])
  assert.deepEqual(
    differences({ rows: [{ metadata: {} }] }, { rows: [{ metadata: { n: 1 } }] }, 0),
    ['rows[0].metadata.n: expected nothing, got 1'],
  )
  assert.deepEqual(differences({ errors: [{ at: 1 }] }, { errors: [{ at: 1, code: 'E' }] }, 0), [
    'errors[0].code: expected nothing, got "E"',
  ])
})

test('times may drift, and nothing else', () => {
  const one = { createdAt: 1_000, errors: [{ at: 1_000 }], attempt: 1_000 }
  const other = { createdAt: 1_005, errors: [{ at: 1_005 }], attempt: 1_005 }
  assert.deepEqual(differences(one, other, 5), ['attempt: expected 1000, got 1005'])
  assert.equal(differences(one, other, 4).length, 3)
  assert.deepEqual(differences({ dueIn: 5 }, {}, 5), ['dueIn: expected 5, got nothing'])
})
