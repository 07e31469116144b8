import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'

import { takeLock } from '../src/lock.ts'
import { tempFolder } from './temp-folder.ts'

test('one has it at a time, and leaves nothing', async () => {
  await using folder = await tempFolder()
  for (let time = 0; time < 2; time += 1) {
    using lock = takeLock(folder.at('lock'))
    assert.ok(lock !== undefined)
    assert.deepEqual(await readdir(folder.path), ['lock'])
    assert.equal(takeLock(folder.at('lock')), undefined)
  }
  assert.deepEqual(await readdir(folder.path), [])
})

test('what a killed process has left is no lock', async () => {
  await using folder = await tempFolder()
  await folder.write('lock', '')
  using lock = takeLock(folder.at('lock'))
  assert.ok(lock !== undefined)
})

test('where no file can be made is an error', async () => {
  await using folder = await tempFolder()
  assert.throws(() => takeLock(folder.at('nowhere/lock')), { code: 'ENOENT' })
})
