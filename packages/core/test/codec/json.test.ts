import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import type { Codec } from '../../src/codec/codec.ts'
import { json } from '../../src/codec/json.ts'
import type { StandardResult, StandardSchemaV1 } from '../../src/codec/standard-schema.ts'
import { DecodeError, EncodeError } from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'

interface Email {
  readonly to: string
  readonly tags?: readonly string[] | undefined
}

/** A schema of one's own, to answer what zod never would. */
function schemaOf<Output>(
  validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>,
): StandardSchemaV1<unknown, Output> {
  return { '~standard': { version: 1, vendor: 'acme', validate } }
}

function encodeError(encode: () => unknown): EncodeError {
  try {
    encode()
  } catch (error) {
    assert.ok(error instanceof EncodeError, String(error))
    return error
  }
  return assert.fail('encoded')
}

function decodeError(decode: () => unknown): DecodeError {
  try {
    decode()
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error))
    return error
  }
  return assert.fail('decoded')
}

test('without a schema, values come back as they went in', () => {
  const codec: Codec<Email, Email> = json<Email>()
  assert.equal(codec.encode({ to: 'a@b.c', tags: ['x'] }), '{"to":"a@b.c","tags":["x"]}')
  assert.deepEqual(codec.decode(codec.encode({ to: 'a@b.c', tags: undefined })), { to: 'a@b.c' })
  for (const value of [null, true, 0, -1.5e-7, 1e21, '', 'a"\\\n\u2028', [], {}]) {
    assert.deepEqual(json<unknown>().decode(json<unknown>().encode(value)), value)
  }
})

test('lone surrogates, NUL and __proto__ survive', () => {
  const codec = json<unknown>()
  const text = codec.encode({ a: '\uD800', b: '\0', c: '\u{1F600}' })
  assert.ok(text.isWellFormed() && !text.includes('\0'))
  assert.deepEqual(codec.decode(text), { a: '\uD800', b: '\0', c: '\u{1F600}' })
  assert.equal(codec.encode(codec.decode('{"__proto__":1}')), '{"__proto__":1}')
})

test('what JSON would change is refused with its place', () => {
  const codec = json<unknown>()
  const error = encodeError(() => codec.encode({ user: { tags: ['a', 'b', 'c', undefined] } }))
  assert.equal(error.path, 'user.tags[3]')
  assert.equal(error.message, 'cannot encode user.tags[3]: JSON does not keep undefined')
  const whole = encodeError(() => codec.encode(new Date(0)))
  assert.equal(whole.path, '')
  assert.equal(whole.message, 'cannot encode the value: JSON does not keep an instance of Date')
})

test('what a getter throws is the cause', () => {
  const cause = new RangeError('from a getter')
  const value = {
    get bad(): never {
      throw cause
    },
  }
  const error = encodeError(() => json<unknown>().encode(value))
  assert.equal(error.cause, cause)
  assert.equal(error.message, 'cannot encode the value: from a getter')
})

test('what is no JSON is a DecodeError with the words of the parser', () => {
  const error = decodeError(() => json().decode('{"a":'))
  assert.ok(error.cause instanceof SyntaxError)
  assert.equal(error.message, `cannot decode the value: ${error.cause.message}`)
  for (const stored of ['', 'undefined', 'NaN', '{a:1}', '\uFEFF1']) {
    decodeError(() => json().decode(stored))
  }
  // @ts-expect-error: a store that gives back no text.
  decodeError(() => json().decode(null))
})

test('with a schema, the input is stored and the output is given', () => {
  const schema = z.object({
    to: z.email(),
    retries: z.number().default(3),
    at: z.iso.datetime().transform((text) => new Date(text)),
  })
  const codec = json(schema)
  const text = codec.encode({ to: 'a@b.co', at: '2030-01-01T00:00:00Z' })
  assert.equal(text, '{"to":"a@b.co","at":"2030-01-01T00:00:00Z"}')
  const given = codec.decode(text)
  assert.deepEqual(given, { to: 'a@b.co', retries: 3, at: new Date('2030-01-01T00:00:00Z') })
  // The types are the schema's: input in, output out.
  const year: number = given.at.getUTCFullYear() + given.retries
  assert.equal(year, 2033)
  // @ts-expect-error: `at` is text on the way in.
  encodeError(() => codec.encode({ to: 'a@b.co', at: new Date() }))
})

test('issues name their places, on the way in and on the way out', () => {
  const codec = json(z.object({ to: z.string(), items: z.array(z.object({ price: z.number() })) }))
  const message =
    'it does not match its schema: items[0].price: Invalid input: expected number, received string'
  const issues = [
    { message: 'Invalid input: expected number, received string', path: 'items[0].price' },
  ]
  const value = { to: 'x', items: [{ price: 'free' }] }
  // @ts-expect-error: the price is a number.
  const encoding = encodeError(() => codec.encode(value))
  assert.equal(encoding.message, `cannot encode the value: ${message}`)
  assert.deepEqual(encoding.issues, issues)
  const decoding = decodeError(() => codec.decode(JSON.stringify(value)))
  assert.equal(decoding.message, `cannot decode the value: ${message}`)
  assert.deepEqual(decoding.issues, issues)
})

test('steps of a path may be objects, symbols or odd keys', () => {
  const issue = { message: 'bad', path: [{ key: 'a' }, { key: 1 }, Symbol('s'), 'b c'] }
  const codec = json(schemaOf(() => ({ issues: [issue, { message: 'all' }] })))
  const error = encodeError(() => codec.encode(1))
  assert.deepEqual(error.issues, [
    { message: 'bad', path: 'a[1][Symbol(s)]["b c"]' },
    { message: 'all', path: '' },
  ])
  assert.match(error.message, /: a\[1\]\[Symbol\(s\)\]\["b c"\]: bad; all$/)
})

test('many issues are all kept and ten of them told', () => {
  const issues = Array.from({ length: 25 }, (_, index) => ({ message: `m${index}` }))
  const error = encodeError(() => json(schemaOf(() => ({ issues }))).encode(1))
  assert.equal(error.issues.length, 25)
  assert.match(error.message, /m9; and 15 more$/)
})

test('JSON is asked before the schema', () => {
  const codec = json(z.object({ at: z.date() }))
  assert.equal(encodeError(() => codec.encode({ at: new Date(0) })).path, 'at')
})

test('the schema sees what a worker will read, whatever getters do', () => {
  let reads = 0
  const value = {
    get role() {
      reads += 1
      return reads === 1 ? 'admin' : 'guest'
    },
  }
  const seen: unknown[] = []
  const codec = json(
    schemaOf((given) => {
      seen.push(given)
      return { value: given }
    }),
  )
  assert.equal(codec.encode(value), '{"role":"admin"}')
  assert.deepEqual(seen, [{ role: 'admin' }])
  // A property that is undefined is not there when the schema runs at the claim, so it is not there now.
  codec.encode({ a: 1, b: undefined })
  assert.deepEqual(Object.keys(seen[1] ?? {}), ['a'])
})

test('a schema that changes what it is given does not change what is stored', () => {
  const codec = json(
    schemaOf((given) => {
      ;(given as { n: number }).n = 2
      return { value: given }
    }),
  )
  const value = { n: 1 }
  assert.equal(codec.encode(value), '{"n":1}')
  assert.equal(value.n, 1)
})

test('an asynchronous schema is refused by name, and its failure is nobody else’s', async () => {
  const message = /the schema of acme validates asynchronously; use a synchronous one$/
  const codec = json(schemaOf(() => Promise.reject(new Error('later'))))
  assert.match(encodeError(() => codec.encode(1)).message, message)
  assert.match(decodeError(() => codec.decode('1')).message, message)
  const zod = json(z.string().refine(async () => true))
  assert.match(encodeError(() => zod.encode('x')).message, /the schema of zod validates async/)
  // An unhandled rejection would fail this test file.
  await new Promise(setImmediate)
})

test('a schema that throws is the cause', () => {
  const cause = new Error('in a transform')
  const codec = json(
    schemaOf(() => {
      throw cause
    }),
  )
  assert.equal(encodeError(() => codec.encode(1)).cause, cause)
  const error = decodeError(() => codec.decode('1'))
  assert.equal(error.message, 'cannot decode the value: the schema of acme failed')
  assert.equal(error.cause, cause)
  // @ts-expect-error: an answer that is none.
  decodeError(() => json(schemaOf(() => undefined)).decode('1'))
})

test('what is no schema is refused at once', () => {
  const bad: unknown[] = [undefined, null, 5, {}, { '~standard': 5 }, () => 1]
  bad.push({ '~standard': { version: 2, vendor: 'x', validate: () => ({ value: 1 }) } })
  bad.push({ '~standard': { version: 1, vendor: 'x' } })
  for (const schema of bad) {
    assert.throws(() => json(schema as StandardSchemaV1), OptionError)
  }
  assert.throws(() => json(undefined as unknown as StandardSchemaV1), /schema: expected a Standard/)
})

test('a schema may be a function', () => {
  const schema = Object.assign(
    () => 1,
    schemaOf((value) => ({ value })),
  )
  assert.equal(json(schema).encode('x'), '"x"')
})
