import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extensionKey, Extensions } from '../../src/task/extensions.ts'

test('values are kept under their keys, typed', () => {
  const user = extensionKey<{ readonly name: string }>('user')
  const count = extensionKey<number>('count')
  const extensions = new Extensions()
  assert.equal(extensions.get(user), undefined)
  extensions.set(user, { name: 'Ada' })
  extensions.set(count, 1)
  extensions.set(count, 2)
  const name: string | undefined = extensions.get(user)?.name
  assert.equal(name, 'Ada')
  assert.equal(extensions.get(count), 2)
  // @ts-expect-error: the key is of a number.
  extensions.set(count, 'two')
})

test('undefined is a value too, until it is taken away', () => {
  const key = extensionKey<string | undefined>('maybe')
  const extensions = new Extensions()
  assert.equal(extensions.has(key), false)
  extensions.set(key, undefined)
  assert.equal(extensions.has(key), true)
  assert.equal(extensions.delete(key), true)
  assert.equal(extensions.delete(key), false)
  assert.equal(extensions.has(key), false)
})

test('keys of the same name are different keys, and runs share nothing', () => {
  const [first, second] = [extensionKey<number>('n'), extensionKey<number>('n')]
  const extensions = new Extensions()
  extensions.set(first, 1)
  assert.equal(extensions.get(second), undefined)
  assert.equal(new Extensions().get(first), undefined)
  assert.equal(first.name, 'n')
})
