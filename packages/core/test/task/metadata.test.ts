import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionError } from '../../src/internal/validate.ts'
import { copyMetadata } from '../../src/task/metadata.ts'

test('metadata is copied, without what is undefined', () => {
  const given = { tenant: 'acme', trace: { ids: [1, 2] }, none: null, left: undefined }
  const copied = copyMetadata('metadata', given)
  given.trace.ids.push(3)
  assert.deepEqual(copied, { tenant: 'acme', trace: { ids: [1, 2] }, none: null })
  assert.deepEqual(copyMetadata('metadata', {}), {})
})

test('what JSON does not keep is refused with its place', () => {
  const refused: readonly (readonly [unknown, string])[] = [
    [null, 'enrich: expected an object of named JSON values, got null'],
    [[], 'enrich: expected an object of named JSON values, got an array'],
    [new Map(), 'enrich: expected what JSON keeps, not an instance of Map, got an object (Map)'],
    [{ a: { b: [1, -0] } }, 'enrich.a.b[1]: expected what JSON keeps, not -0, got -0'],
    [{ 'a b': 1n }, 'enrich["a b"]: expected what JSON keeps, not a BigInt, got 1n'],
  ]
  for (const [metadata, message] of refused) {
    assert.throws(() => copyMetadata('enrich', metadata), { name: 'OptionError', message })
  }
})

test('keys are text that every storage can keep, 64 kB are the most', () => {
  const refused: readonly (readonly [unknown, string])[] = [
    [{ '': 1 }, 'metadata key'],
    [{ ['k'.repeat(256)]: 1 }, 'metadata key'],
    [{ '\uD800': 1 }, 'metadata key'],
    [{ big: 'x'.repeat(65_527) }, 'metadata'],
  ]
  for (const [metadata, option] of refused) {
    assert.throws(
      () => copyMetadata('metadata', metadata),
      (error) => error instanceof OptionError && error.option === option,
    )
  }
  assert.doesNotThrow(() => copyMetadata('metadata', { big: 'x'.repeat(65_526) }))
})

test('what a getter throws comes through', () => {
  const metadata = {
    get tenant(): never {
      throw new RangeError('from a getter')
    },
  }
  assert.throws(() => copyMetadata('metadata', metadata), RangeError)
})
