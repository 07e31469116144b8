import assert from 'node:assert/strict'
import { test } from 'node:test'

import { bytesOf, nameOf, shown, toBytePath, toBytes } from '../src/names.ts'

const latin1 = (...bytes: number[]): string => Buffer.from(bytes).toString('latin1')

test('a name that is text stays text', () => {
  for (const text of ['a', 'ä/日本/🎉', 'two\nlines', '"quoted" \\ back', '\u0001', '\ufffd']) {
    const name = nameOf(toBytePath(text))
    assert.deepEqual(name, { path: text })
    assert.deepEqual(bytesOf(name), Buffer.from(text))
  }
})

test('a name that is no text keeps its bytes', () => {
  for (const bytes of [latin1(0xff), latin1(0x61, 0xe4, 0x2f, 0x80), latin1(0xed, 0xa0, 0x80)]) {
    const name = nameOf(bytes)
    assert.equal(name.path, toBytes(bytes).toString('utf8'))
    assert.deepEqual(bytesOf(JSON.parse(JSON.stringify(name))), toBytes(bytes))
  }
  assert.notDeepEqual(nameOf(latin1(0xfe)), nameOf(latin1(0xff)))
})

test('byte paths sort as their bytes do', () => {
  const paths = ['z', 'ä', '日', '🎉', '\uffee', 'Z', 'a/b', 'a.b']
  const byBytes = paths.toSorted((one, other) =>
    Buffer.compare(Buffer.from(one), Buffer.from(other)),
  )
  assert.deepEqual(paths.map(toBytePath).sort(), byBytes.map(toBytePath))
})

test('what is shown stays in its line and leaves the terminal alone', () => {
  assert.equal(shown({ path: 'ä 日本 🎉.txt' }), 'ä 日本 🎉.txt')
  assert.equal(shown({ path: 'a\nb\u001b[2J\u202e\u2028' }), 'a\\u{a}b\\u{1b}[2J\\u{202e}\\u{2028}')
  assert.equal(shown(nameOf(latin1(0x61, 0xff, 0x0a))), 'a\\xff\\x0a')
})
