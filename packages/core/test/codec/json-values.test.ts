import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json } from '../../src/codec/json.ts'
import { isEncodeError } from '../../src/errors/backend-errors.ts'

// The table of docs/codecs.md, value by value.

const circle: { self?: unknown } = {}
circle.self = circle

/** Objects in each other. */
function nested(levels: number): object {
  let value = {}
  for (let level = 1; level < levels; level += 1) value = { value }
  return value
}

const kept: readonly (readonly [what: string, value: unknown])[] = [
  ['text', 'a"\\\n🗝️\u2028'],
  ['NUL', 'a\0b'],
  ['a lone surrogate', '\uD800'],
  ['numbers', [0, 1, -1.5, 1e21, 5e-324, Number.MAX_SAFE_INTEGER]],
  ['booleans and null', [true, false, null]],
  ['arrays and objects', { a: [{ b: [] }], '': {}, __proto__: null }],
  ['a key named __proto__', JSON.parse('{"__proto__":{"a":1}}')],
  ['1,000 levels', nested(1_000)],
]

for (const [what, value] of kept) {
  test(`${what}: kept`, () => {
    const codec = json<unknown>()
    const back = codec.decode(codec.encode(value))
    assert.equal(JSON.stringify(back), JSON.stringify(value))
    assert.equal(codec.encode(back), codec.encode(value))
  })
}

test('a property that is undefined: left out', () => {
  assert.equal(json<object>().encode({ a: undefined, b: 1 }), '{"b":1}')
})

const refused: readonly (readonly [what: string, value: unknown])[] = [
  ['undefined as a whole', undefined],
  ['undefined in an array', [undefined]],
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-0', -0],
  ['a BigInt', 1n],
  ['a symbol', Symbol('s')],
  ['a function', () => 1],
  ['a Date', new Date(0)],
  ['a Map', new Map()],
  ['a Set', new Set()],
  ['a URL', new URL('https://example.com')],
  ['a class instance', new (class Point {})()],
  ['a boxed value', new Number(1)],
  ['an object with toJSON', { toJSON: () => 1 }],
  ['a symbol as a key', { [Symbol('s')]: 1 }],
  // oxlint-disable-next-line no-sparse-arrays -- the case
  ['a hole', [1, , 2]],
  ['an array with properties', Object.assign([1], { extra: 1 })],
  ['a circle', circle],
  ['1,001 levels', nested(1_001)],
  ['a million and one objects', Array.from({ length: 1_000_001 }, () => ({}))],
  [
    'a getter that throws',
    {
      get bad(): never {
        throw new RangeError('no')
      },
    },
  ],
]

for (const [what, value] of refused) {
  test(`${what}: refused, with its place where there is one`, () => {
    const placed = [
      { value, path: '' },
      { value: { here: value }, path: 'here' },
    ]
    // A property that is undefined is left out, and the levels and objects of the outer one count.
    for (const { value: given, path } of value === undefined ? placed.slice(0, 1) : placed) {
      assert.throws(
        () => json<unknown>().encode(given),
        (error) => isEncodeError(error) && (error.path === '' || error.path.startsWith(path)),
      )
    }
  })
}
