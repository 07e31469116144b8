import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import { checkJson, NotJsonError, plainCopy } from '../../src/internal/json-check.ts'
import { pathText } from '../../src/internal/path-text.ts'

class Money {
  readonly cents = 5
}

class List extends Array<number> {}

const cyclic: { items: unknown[] } = { items: [1] }
cyclic.items.push({ back: cyclic })

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level += 1) value = [value]
  return value
}

function sparse(): unknown[] {
  const items: unknown[] = [1]
  items[2] = 3
  return items
}

const refused: Readonly<Record<string, readonly [value: unknown, path: string, what: string]>> = {
  undefined: [undefined, '', 'undefined'],
  NaN: [Number.NaN, '', 'NaN'],
  'infinity in an object': [{ n: Infinity }, 'n', 'Infinity'],
  'negative infinity in an array': [[-Infinity], '[0]', '-Infinity'],
  'minus zero': [{ user: { n: -0 } }, 'user.n', '-0'],
  bigint: [{ n: 1n }, 'n', 'a BigInt'],
  function: [{ f: () => 1 }, 'f', 'a function'],
  symbol: [[Symbol('s')], '[0]', 'a symbol'],
  'undefined in an array': [
    { user: { tags: ['a', 'b', 'c', undefined] } },
    'user.tags[3]',
    'undefined',
  ],
  'a sparse array': [{ list: sparse() }, 'list[1]', 'a hole'],
  'an array with a length only': [[1, Array(3)], '[1][0]', 'a hole'],
  Date: [{ at: new Date(0) }, 'at', 'an instance of Date'],
  Map: [new Map(), '', 'an instance of Map'],
  Set: [[new Set()], '[0]', 'an instance of Set'],
  'typed array': [{ b: new Uint8Array(2) }, 'b', 'an instance of Uint8Array'],
  Buffer: [{ b: Buffer.from('x') }, 'b', 'an instance of Buffer'],
  Error: [new Error('x'), '', 'an instance of Error'],
  RegExp: [/x/, '', 'an instance of RegExp'],
  'boxed number': [Object(1), '', 'an instance of Number'],
  'class instance': [{ price: new Money() }, 'price', 'an instance of Money'],
  'array subclass': [List.from([1]), '', 'an instance of List'],
  'class without a name': [new (class {})(), '', 'an object with a prototype of its own'],
  'inherited properties': [Object.create({ inherited: 1 }), '', 'an instance of Object'],
  'a bare prototype': [
    Object.create(Object.create(null)),
    '',
    'an object with a prototype of its own',
  ],
  'a promise': [{ p: Promise.resolve() }, 'p', 'an instance of Promise'],
  'a symbol key': [{ a: { [Symbol('k')]: 1 } }, 'a', 'the key Symbol(k)'],
  'a symbol key of an array': [Object.assign([1], { [Symbol('k')]: 1 }), '', 'the key Symbol(k)'],
  'own toJSON': [{ a: { toJSON: () => 1 } }, 'a', 'an object with toJSON'],
  'hidden toJSON': [
    Object.defineProperty({}, 'toJSON', { value: () => 1 }),
    '',
    'an object with toJSON',
  ],
  'a match of a pattern': [{ m: /b/.exec('abc') }, 'm', 'an array with named properties'],
  'a circle': [cyclic, 'items[1].back', 'a reference to what it stands in'],
  '1,001 levels': [nested(1_001), '[0]'.repeat(1_000), 'more than 1000 levels'],
  'an odd key': [{ 'a b': { '3': { ä: Number.NaN } } }, '["a b"]["3"].ä', 'NaN'],
  'a cyclic array': [
    (() => {
      const list: unknown[] = []
      list.push(list)
      return list
    })(),
    '[0]',
    'a reference to what it stands in',
  ],
}

for (const [name, [value, path, what]] of Object.entries(refused)) {
  test(`JSON does not keep: ${name}`, () => {
    const found = checkJson(value)
    assert.ok(found instanceof NotJsonError)
    assert.deepEqual({ path: found.path, what: found.what }, { path, what })
    assert.throws(() => plainCopy(value), NotJsonError)
  })
}

test('what stands at the path is in the error', () => {
  const at = new Date(0)
  assert.equal(checkJson({ a: [at] })?.value, at)
})

test('an inherited toJSON is seen', () => {
  Object.defineProperty(Object.prototype, 'toJSON', { value: () => 'changed', configurable: true })
  try {
    assert.equal(checkJson({ a: 1 })?.what, 'an object with toJSON')
    assert.equal(checkJson([])?.what, 'an object with toJSON')
  } finally {
    delete (Object.prototype as { toJSON?: unknown }).toJSON
  }
})

test('keeps every value that JSON keeps', () => {
  fc.assert(
    fc.property(fc.jsonValue({ depthSize: 'medium' }), (value) => {
      const text = JSON.stringify(value, (_, part) => (Object.is(part, -0) ? 0 : (part as unknown)))
      const given: unknown = JSON.parse(text)
      assert.equal(checkJson(given), undefined)
      assert.equal(JSON.stringify(plainCopy(given)), text)
    }),
    { numRuns: 300 },
  )
})

test('what passes comes back from JSON as it is, and what does not pass would not', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
    withBoxedValues: true,
    withObjectString: true,
  })
  fc.assert(
    fc.property(anything, (value) => {
      if (checkJson(value) !== undefined) return
      const back: unknown = JSON.parse(JSON.stringify(plainCopy(value)))
      assert.deepEqual(back, withoutUndefined(value))
    }),
    { numRuns: 1_000 },
  )
})

/** A copy by another way, with plain prototypes and without the properties that are undefined. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutUndefined(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, property]) => property !== undefined)
      .map(([key, property]) => [key, withoutUndefined(property)]),
  )
}

test('undefined properties are left out, of plain objects and of those without a prototype', () => {
  const bare: Record<string, unknown> = Object.assign(Object.create(null), { a: 1, b: undefined })
  assert.deepEqual(plainCopy({ a: 1, b: undefined, c: bare }), { a: 1, c: { a: 1 } })
})

test('__proto__ as a key is a key', () => {
  const value: unknown = JSON.parse('{"__proto__":{"admin":true},"a":1}')
  const copied = plainCopy(value) as object
  assert.equal(Object.getPrototypeOf(copied), Object.prototype)
  assert.equal(JSON.stringify(copied), '{"__proto__":{"admin":true},"a":1}')
})

test('hidden properties and shared parts are no obstacle', () => {
  const shared = { n: 1 }
  const value = Object.defineProperty({ a: shared, b: [shared, shared] }, 'hidden', { value: 1 })
  Object.defineProperty(value, Symbol('hidden'), { value: 1 })
  assert.deepEqual(plainCopy(value), { a: { n: 1 }, b: [{ n: 1 }, { n: 1 }] })
})

test('1,000 levels pass', () => {
  assert.equal(checkJson(nested(1_000)), undefined)
})

test('a wide circle is found without walking it a thousand times', () => {
  let reads = 0
  const wide: Record<string, unknown> = {
    big: new Proxy(
      { a: 1 },
      {
        get: (target, key) => {
          if (key === 'a') reads += 1
          return Reflect.get(target, key) as unknown
        },
      },
    ),
  }
  wide['self'] = wide
  assert.equal(checkJson(wide)?.path, 'self')
  assert.equal(reads, 1)
})

test('plain objects and arrays of another realm are plain', () => {
  const context = createContext()
  const value: unknown = runInContext('({ a: [1, { b: 2 }] })', context)
  assert.equal(checkJson(value), undefined)
  const date: unknown = runInContext('({ a: [new Date(0)] })', context)
  assert.equal(checkJson(date)?.path, 'a[0]')
  const list: unknown = runInContext('new (class List extends Array {})()', context)
  assert.equal(checkJson(list)?.what, 'an instance of List')
})

test('each property is read once, so a getter cannot show one value and store another', () => {
  let reads = 0
  const value = {
    get n() {
      reads += 1
      return reads === 1 ? 1 : Number.NaN
    },
  }
  assert.deepEqual(plainCopy(value), { n: 1 })
  assert.equal(reads, 1)
})

test('what a getter throws comes through', () => {
  const value = {
    get bad(): never {
      throw new RangeError('from a getter')
    },
  }
  assert.throws(() => checkJson(value), RangeError)
})

test('paths are written as code would', () => {
  assert.equal(pathText([]), '')
  assert.equal(pathText(['user', 'tags', 3]), 'user.tags[3]')
  assert.equal(pathText([0, 'a', 'b c', '', '1', '$x', 'ü']), '[0].a["b c"][""]["1"].$x.ü')
  assert.equal(pathText([Symbol('s'), 'a']), '[Symbol(s)].a')
})
