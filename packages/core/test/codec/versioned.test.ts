import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as z from 'zod'
import type { Codec } from '../../src/codec/codec.ts'
import { encrypted } from '../../src/codec/encrypted.ts'
import { json } from '../../src/codec/json.ts'
import { versioned } from '../../src/codec/versioned.ts'
import { DecodeError, EncodeError } from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'

interface Name1 {
  readonly name: string
}

interface Name2 {
  readonly first: string
  readonly last: string
}

const to2 = ({ name }: Name1): Name2 => {
  const [first = '', last = ''] = name.split(' ')
  return { first, last }
}
const to3 = ({ first, last }: Name2): object => ({ given: first, family: last })
const Name3 = z.object({ given: z.string(), family: z.string(), title: z.string().default('-') })

test('what was stored before there were versions, and under every version since, decodes as the newest', () => {
  const bare = json<Name1>()
  const second = versioned(json<Name2>(), [to2])
  const third = versioned(json(Name3), [to2, to3])
  const ada = { given: 'Ada', family: 'Lovelace', title: '-' }
  assert.deepEqual(third.decode(bare.encode({ name: 'Ada Lovelace' })), ada)
  assert.deepEqual(third.decode(second.encode({ first: 'Ada', last: 'Lovelace' })), ada)
  const stored = third.encode({ given: 'Ada', family: 'Lovelace' })
  assert.equal(stored, '{"apalis:version":3,"value":{"given":"Ada","family":"Lovelace"}}')
  assert.deepEqual(third.decode(stored), ada)
})

test('what the newest codec has written comes back to it as it was', () => {
  const asItIs: Codec<string, string> = { encode: (text) => text, decode: (text) => text }
  for (const text of ['12345678901234567890', '-0', '{"a":1,"a":2}', ' [1 ] ', '1.50', '"}"']) {
    const codec = versioned(asItIs, [to2])
    assert.equal(codec.decode(codec.encode(text)), text)
  }
})

test('from whatever version, each step is taken once, in order', () => {
  fc.assert(
    fc.property(fc.nat(6), fc.nat(6), fc.string(), (then, later, value) => {
      const steps = Array.from({ length: then + later }, (_, index) => (old: unknown[]) => [
        ...old,
        index,
      ])
      const before = versioned(json<unknown[]>(), steps.slice(0, then))
      const after = versioned(json<unknown[]>(), steps)
      assert.deepEqual(
        after.decode(before.encode([value])),
        [value, ...steps.keys()].toSpliced(1, then),
      )
    }),
  )
})

test('values that are no objects have versions too', () => {
  const codec = versioned(json<number>(), [(text: string) => text.length])
  assert.equal(codec.decode('"four"'), 4)
  assert.equal(codec.decode(codec.encode(5)), 5)
  assert.equal(versioned(json<null>(), []).decode('null'), null)
})

test('a version of tomorrow is a decode error that says so', () => {
  const today = versioned(json<Name2>(), [to2])
  const tomorrow = versioned(json<object>(), [to2, to3])
  assert.throws(() => today.decode(tomorrow.encode({})), {
    code: 'ERR_DECODE',
    message: 'cannot decode the value: its version is 3, and the newest known is 2',
  })
})

test('an upcaster that throws, answers with a promise, or with what JSON does not keep', () => {
  const decode = (step: (old: never) => unknown): unknown =>
    versioned(json<unknown>(), [(old: unknown) => old, step]).decode('1')
  for (const [step, why] of [
    [
      () => {
        throw new RangeError('no name')
      },
      'no name',
    ],
    [async () => 1, 'it answered with a promise'],
    [() => new Date(0), 'JSON does not keep an instance of Date'],
    [() => undefined, 'JSON does not keep undefined'],
  ] as const) {
    assert.throws(
      () => decode(step),
      (error) => {
        assert.ok(error instanceof DecodeError)
        assert.match(error.message, /^cannot make version \d of version \d: /)
        assert.ok(error.message.includes(why), error.message)
        return true
      },
    )
  }
})

test('what is no version, and what the newest schema refuses', () => {
  const codec = versioned(json(Name3), [to2, to3])
  for (const version of [0, -1, 1.5, '"2"', null]) {
    const stored = `{"apalis:version":${version},"value":{}}`
    assert.throws(() => codec.decode(stored), /is no version/)
  }
  assert.throws(() => codec.decode('{"apalis:version":3}'), DecodeError)
  assert.throws(() => codec.decode('{"apalis:version":3,"value":{"given":1}}'), DecodeError)
  assert.throws(() => codec.decode('not JSON'), DecodeError)
})

test('it goes inside an encryption, not around it', () => {
  const keys = { current: 'a', keys: { a: Buffer.alloc(32, 1) } }
  const outside = encrypted(versioned(json<Name2>(), [to2]), keys)
  const old = encrypted(json<Name1>(), keys)
  assert.deepEqual(outside.decode(old.encode({ name: 'Ada Lovelace' })), {
    first: 'Ada',
    last: 'Lovelace',
  })
  const inside = versioned(encrypted(json<number>(), keys), [])
  assert.throws(
    () => inside.encode(1),
    (error) => {
      assert.ok(error instanceof EncodeError)
      return error.message.includes('put `encrypted` around it')
    },
  )
})

test('upcasters are checked, and copied', () => {
  // What no type allows, JavaScript may pass.
  assert.throws(() => versioned(json<number>(), 'up' as never), OptionError)
  assert.throws(() => versioned(json<number>(), [to2, 3] as never), /upcasters\[1\]/)
  const steps = [(old: number) => old + 1]
  const codec = versioned(json<number>(), steps)
  steps.push((old) => old + 10)
  assert.equal(codec.decode('1'), 2)
})
