import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  finiteNumber,
  func,
  instant,
  knownKeys,
  oneOf,
  OptionError,
  show,
  text,
  wholeNumber,
} from '../../src/internal/validate.ts'

function refused(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof OptionError, String(error))
    assert.equal(error.code, 'ERR_OPTION')
    return error.message
  }
  return assert.fail('accepted')
}

test('an OptionError names the option, the value and what was expected', () => {
  const error = new OptionError('attempts', 0, 'a whole number of at least 1')
  assert.deepEqual(
    [error.name, error.code, error.option, error.value, error.message],
    [
      'OptionError',
      'ERR_OPTION',
      'attempts',
      0,
      'attempts: expected a whole number of at least 1, got 0',
    ],
  )
})

test('values are shown briefly, whatever they are', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  class Box {}
  const shown: readonly (readonly [unknown, string])[] = [
    ['a"b', '"a\\"b"'],
    ['x'.repeat(100), `"${'x'.repeat(60)}…"`],
    [5, '5'],
    [-0, '-0'],
    [Number.NaN, 'NaN'],
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    [5n, '5n'],
    [10n ** 1_000n, 'a large bigint'],
    [Symbol('s'), 'Symbol(s)'],
    [Symbol('s'.repeat(1_000)), `Symbol(${'s'.repeat(53)}`],
    [() => 1, 'a function'],
    [[1], 'an array'],
    [{}, 'an object (Object)'],
    [new Box(), 'an object (Box)'],
    [Object.create(null), 'an object (null prototype)'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), 'an invalid Date'],
    [Object.create({ constructor: { name: Symbol('n') } }), 'an object'],
    [proxy, 'an object'],
  ]
  for (const [value, expected] of shown) assert.equal(show(value), expected)
})

test('wholeNumber takes whole numbers within its bounds', () => {
  assert.equal(wholeNumber('n', 0), 0)
  assert.equal(wholeNumber('n', -3, { min: -3, max: 5 }), -3)
  assert.equal(wholeNumber('n', 5, { min: -3, max: 5 }), 5)
  for (const value of [-1, 0.5, Number.NaN, Infinity, 2 ** 53, '1', 1n, null, undefined, [1]]) {
    assert.equal(
      refused(() => wholeNumber('n', value)),
      `n: expected a whole number of at least 0, got ${show(value)}`,
    )
  }
  assert.equal(
    refused(() => wholeNumber('n', 6, { min: 1, max: 5 })),
    'n: expected a whole number from 1 to 5, got 6',
  )
})

test('finiteNumber takes finite numbers within its bounds', () => {
  assert.equal(finiteNumber('n', -0.5), -0.5)
  assert.equal(finiteNumber('n', 1, { min: 1, max: 1 }), 1)
  for (const value of [Number.NaN, Infinity, -Infinity, '1', null, {}]) {
    refused(() => finiteNumber('n', value))
  }
  assert.equal(
    refused(() => finiteNumber('jitter', 1.1, { min: 0, max: 1 })),
    'jitter: expected a number from 0 to 1, got 1.1',
  )
})

test('text takes what every storage can keep', () => {
  assert.equal(text('t', 'a'), 'a')
  assert.equal(text('t', 'é'.repeat(127)), 'é'.repeat(127))
  assert.equal(text('t', '\u{1F600}'), '\u{1F600}')
  assert.equal(text('t', 'xyz', 3), 'xyz')
  for (const value of ['', 'é'.repeat(128), 'x'.repeat(256), 'a\0', '\uD800', 5, null, ['a']]) {
    assert.match(
      refused(() => text('t', value)),
      /^t: expected text of 1 to 255 bytes without NUL/,
    )
  }
  refused(() => text('t', 'xyzä', 4))
})

test('func takes functions', () => {
  const given = (): number => 1
  assert.equal(func('f', given), given)
  assert.equal(
    refused(() => func('f', 5 as unknown as () => void)),
    'f: expected a function, got 5',
  )
})

test('oneOf takes one of its words', () => {
  assert.equal(oneOf('w', 'b', ['a', 'b']), 'b')
  for (const value of ['c', '', undefined, 0]) {
    assert.match(
      refused(() => oneOf('w', value, ['a', 'b'])),
      /^w: expected one of a, b, got /,
    )
  }
})

test('instant takes valid dates of four-digit years', () => {
  for (const date of [new Date(0), new Date('0001-01-01'), new Date('9999-12-31T23:59:59.999Z')]) {
    assert.equal(instant('at', date), date)
  }
  const late = new Date(Date.parse('9999-12-31T23:59:59.999Z') + 1)
  for (const value of [new Date(Number.NaN), late, new Date(-8.64e15), '2030-01-01', 0, null]) {
    assert.equal(
      refused(() => instant('at', value)),
      `at: expected a valid Date in the years 1 to 9999, got ${show(value)}`,
    )
  }
})

test('knownKeys refuses names that nobody reads, and what is no object', () => {
  knownKeys('push', {}, ['a'])
  knownKeys('push', { a: 1, b: undefined }, ['a', 'b'])
  assert.equal(
    refused(() => knownKeys('push', { a: 1, c: 3 }, ['a', 'b'])),
    'push.c: expected one of the options a, b, got 3',
  )
  for (const value of [null, 5, 'a', undefined]) {
    const message = refused(() => knownKeys('push', value as unknown as object, ['a']))
    assert.equal(message, `push: expected an object with options, got ${show(value)}`)
  }
})
