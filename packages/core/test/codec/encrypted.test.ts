import assert from 'node:assert/strict'
import { createSecretKey, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { CompactEncrypt, compactDecrypt } from 'jose'
import fc from 'fast-check'
import * as z from 'zod'
import type { Codec } from '../../src/codec/codec.ts'
import { encrypted } from '../../src/codec/encrypted.ts'
import { json } from '../../src/codec/json.ts'
import { DecodeError, EncodeError } from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { TestWorker } from '../../src/testing/test-worker.ts'

const one = randomBytes(32)
const two = randomBytes(32)
const secret = { card: '4242 4242 4242 4242', zähler: '🗝️' }

test('what is stored shows nothing of the value, differs every time, and comes back', () => {
  const codec = encrypted(json<typeof secret>(), { current: 'a', keys: { a: one } })
  const stored = codec.encode(secret)
  assert.doesNotMatch(stored, /4242|card/)
  assert.notEqual(stored, codec.encode(secret))
  assert.deepEqual(codec.decode(stored), secret)
  assert.deepEqual(codec.decode(codec.encode(secret)), secret)
})

test('other programs read it and write it with a JOSE library', async () => {
  const codec = encrypted(json<typeof secret>(), { current: 'a', keys: { a: one } })
  const { plaintext, protectedHeader } = await compactDecrypt(codec.encode(secret), one)
  assert.deepEqual(JSON.parse(new TextDecoder().decode(plaintext)), secret)
  assert.deepEqual(protectedHeader, { alg: 'dir', enc: 'A256GCM', kid: 'a' })
  const theirs = await new CompactEncrypt(new TextEncoder().encode(JSON.stringify(secret)))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: 'a' })
    .encrypt(one)
  assert.deepEqual(codec.decode(theirs), secret)
})

test('keys rotate: new values with the current one, old values with the one they have', () => {
  const before = encrypted(json<string>(), { current: 'a', keys: { a: one } })
  const after = encrypted(json<string>(), { current: 'b', keys: { a: one, b: two } })
  const gone = encrypted(json<string>(), { current: 'b', keys: { b: two } })
  assert.equal(after.decode(before.encode('old')), 'old')
  assert.equal(gone.decode(after.encode('new')), 'new')
  assert.throws(() => gone.decode(before.encode('old')), {
    code: 'ERR_DECODE',
    message: 'cannot decrypt the value: it needs key "a", and the keys given are "b"',
  })
})

test('keys are bytes, base64, base64url or key objects', () => {
  const stored = encrypted(json<number>(), { current: 'a', keys: { a: one } }).encode(1)
  for (const a of [
    one.toString('base64'),
    one.toString('base64url'),
    createSecretKey(one),
    new Uint8Array(one),
  ]) {
    assert.equal(encrypted(json<number>(), { current: 'a', keys: { a } }).decode(stored), 1)
  }
})

test('another key under the same id, and any change of the text, is a decode error', () => {
  const codec = encrypted(json<string>(), { current: 'a', keys: { a: one } })
  const stored = codec.encode('value')
  const other = encrypted(json<string>(), { current: 'a', keys: { a: two } })
  assert.throws(() => other.decode(stored), /key "a" is another one than it was encrypted with/)
  for (let at = 0; at < stored.length; at += 1) {
    // The last character of a part may hold bits that no byte has: the first of the alphabet differs in one that does.
    const changed = `${stored.slice(0, at)}${stored[at] === 'A' ? 'g' : 'A'}${stored.slice(at + 1)}`
    assert.throws(() => codec.decode(changed), DecodeError, changed)
  }
  const [header, , iv, sealed, tag] = stored.split('.')
  const shortTag = Buffer.from(tag ?? '', 'base64url')
    .subarray(0, 4)
    .toString('base64url')
  assert.throws(() => codec.decode(`${header}..${iv}.${sealed}.${shortTag}`), DecodeError)
})

test('text that bytes cannot keep is refused, and bytes that are no text', async () => {
  const asItIs: Codec<string, string> = { encode: (text) => text, decode: (text) => text }
  const codec = encrypted(asItIs, { current: 'a', keys: { a: one } })
  assert.equal(codec.decode(codec.encode('NUL \0, 🗝️')), 'NUL \0, 🗝️')
  assert.throws(() => codec.encode('\uD800'), EncodeError)
  const theirs = await new CompactEncrypt(Uint8Array.of(0xff, 0xfe))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: 'a' })
    .encrypt(one)
  assert.throws(() => codec.decode(theirs), { code: 'ERR_DECODE', message: /is no text/ })
})

test('whatever is cut out of a text or put into it, it is a decode error', () => {
  const codec = encrypted(json<unknown>(), { current: 'a', keys: { a: one } })
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat(20), fc.string(), (value, at, count, text) => {
      const stored = codec.encode(value)
      const from = at % stored.length
      const changed = `${stored.slice(0, from)}${text}${stored.slice(from + count)}`
      fc.pre(changed !== stored)
      try {
        // Bits that no byte has, and characters that base64 passes over, change nothing.
        assert.deepEqual(codec.decode(changed), codec.decode(stored))
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error))
      }
    }),
  )
})

test('plain text is refused, or read where that is wanted', () => {
  const keys = { current: 'a', keys: { a: one } }
  const strict = encrypted(json<number>(), keys)
  for (const plain of ['1', '', '....', 'e30..a.b.c', '[]']) {
    assert.throws(() => strict.decode(plain), {
      message: 'cannot decrypt the value: it is not encrypted',
    })
  }
  const lenient = encrypted(json<number>(), { ...keys, acceptPlain: true })
  assert.equal(lenient.decode('1'), 1)
  assert.equal(lenient.decode(strict.encode(2)), 2)
  assert.notEqual(lenient.encode(1), '1')
})

test('what the inner codec refuses is refused, both ways', () => {
  const codec = encrypted(json(z.object({ n: z.number() })), { current: 'a', keys: { a: one } })
  assert.throws(() => codec.encode({ n: Number.NaN }), EncodeError)
  const anything = encrypted(json<unknown>(), { current: 'a', keys: { a: one } })
  assert.throws(() => codec.decode(anything.encode({ n: 'x' })), DecodeError)
})

test('options that cannot be used are refused, and no error shows a key', () => {
  const wrong: readonly [option: string, keys: object][] = [
    ['encrypted.current', { current: 'b', keys: { a: one } }],
    ['encrypted.current', { current: 'toString', keys: { a: one } }],
    ['encrypted.keys', { current: 'a', keys: null }],
    ['encrypted.keys id', { current: '', keys: { '': one } }],
    ['encrypted.keys.a', { current: 'a', keys: { a: one.subarray(1) } }],
    ['encrypted.keys.a', { current: 'a', keys: { a: 'a password' } }],
    ['encrypted.keys.a', { current: 'a', keys: { a: createSecretKey(randomBytes(16)) } }],
    ['encrypted.acceptPlain', { current: 'a', keys: { a: one }, acceptPlain: 'yes' }],
    ['encrypted.key', { current: 'a', keys: { a: one }, key: one }],
  ]
  for (const [option, keys] of wrong) {
    assert.throws(
      // What no type allows, JavaScript may pass.
      () => encrypted(json<number>(), keys as never),
      (error) =>
        error instanceof OptionError &&
        error.option === option &&
        !error.message.includes('password'),
      option,
    )
  }
})

test('a task whose key is not there is killed with the reason; its neighbours go on', async () => {
  const storage = new Storage(new MemoryStore())
  const old = storage.queue('cards', {
    args: encrypted(json<number>(), { current: 'a', keys: { a: one } }),
  })
  const queue = storage.queue('cards', {
    args: encrypted(json<number>(), { current: 'b', keys: { b: two } }),
  })
  const lost = await old.push(1)
  await queue.push(2)
  await using worker = new TestWorker(queue, (builder) => builder.build((n: number) => n))
  const ends = []
  for await (const end of worker.stream()) ends.push(end)
  assert.deepEqual(
    ends.map(({ outcome, result }) => [outcome, result]),
    [
      ['killed', undefined],
      ['done', 2],
    ],
  )
  const task = await old.fetchById(lost)
  assert.match(task?.parts.context.errors[0]?.message ?? '', /it needs key "a"/)
})

test('arguments and results of a queue', async () => {
  const keys = { current: 'a', keys: { a: one } }
  const queue = new MemoryStorage().queue('cards', {
    args: encrypted(json<string>(), keys),
    result: encrypted(json<number>(), keys),
  })
  const id = await queue.push('four')
  await using worker = new TestWorker(queue, (builder) => builder.build((text) => text.length))
  await worker.executeNext()
  assert.equal(await queue.result(id), 4)
})
