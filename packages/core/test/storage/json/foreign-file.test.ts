import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBackendError } from '../../../src/errors/backend-errors.ts'
import { OptionError } from '../../../src/internal/validate.ts'
import { JsonStorage } from '../../../src/storage/json/json-storage.ts'
import { idsOf, newFolder, newPath, open, queue, row } from './lab.ts'

function refusal(...parts: readonly string[]): (error: unknown) => boolean {
  return (error) =>
    isBackendError(error) && !error.transient && parts.every((part) => error.message.includes(part))
}

test('what is no regular file is refused, and not read', async () => {
  const folder = newPath()
  mkdirSync(folder)
  await assert.rejects(open(folder), refusal(folder, 'no regular file'))
  const fifo = newPath()
  execFileSync('mkfifo', [fifo])
  await assert.rejects(open(fifo), refusal(fifo, 'no regular file'))
  assert.equal(existsSync(`${fifo}.lock`), false)
})

test('a file whose first line has no end is refused without reading all of it', async () => {
  const path = newPath()
  writeFileSync(path, '')
  // Nothing but NUL, and more of it than fits into memory.
  truncateSync(path, 2 ** 40)
  await assert.rejects(open(path), refusal(path, 'line 1'))
  assert.equal(statSync(path).size, 2 ** 40)
})

test('an option that cannot be used is refused before a file is made', async () => {
  for (const options of [{ fsinc: true }, { lease: '30 s' }, { fsync: 1 }, { keepFinished: -1 }]) {
    const path = newPath()
    await assert.rejects(JsonStorage.open(path, options as never), OptionError)
    assert.equal(existsSync(path), false)
  }
})

test('a file of somebody else beside it stays, whatever its name is', async () => {
  const path = newPath()
  writeFileSync(path, 'hello\n')
  writeFileSync(`${path}.new`, 'precious')
  await assert.rejects(open(path), refusal(path))
  assert.equal(readFileSync(`${path}.new`, 'utf8'), 'precious')
})

test('what an interrupted compaction has left is taken away, another file of that name is not', async (context) => {
  for (const left of [
    '',
    '{"apalis":"js',
    '{"apalis":"json-storage","version":1}\n{"que',
    '\0\0',
  ]) {
    const path = newPath()
    writeFileSync(`${path}.new`, left)
    await (await open(path)).close()
    assert.equal(existsSync(`${path}.new`), false)
  }
  const warn = context.mock.method(process, 'emitWarning', () => {})
  const path = newPath()
  writeFileSync(`${path}.new`, 'precious')
  const store = await open(path, { keepFinished: 0 })
  const args = JSON.stringify('x'.repeat(100_000))
  for (let n = 0; warn.mock.callCount() === 0; n += 1) {
    assert.ok(n < 1_000, 'nobody says that it cannot be written anew')
    await store.insert(queue, [row('a', { args })])
    await store.remove(queue, 'a')
  }
  await store.insert(queue, [row('b')])
  await store.close()
  assert.match(String(warn.mock.calls[0]?.arguments[0]), /tasks\.jsonl cannot be compacted: EEXIST/)
  assert.equal(readFileSync(`${path}.new`, 'utf8'), 'precious')
  const again = await open(path)
  assert.deepEqual(await idsOf(again), ['b'])
  await again.close()
})

test('what another program writes into the file is not written over: changes fail until it is as it was', async () => {
  for (const change of [
    (path: string) => truncateSync(path, 0),
    (path: string) => truncateSync(path, 50),
    (path: string) => appendFileSync(path, '# a note\n'),
  ]) {
    const path = newPath()
    const store = await open(path)
    await store.insert(queue, [row('a')])
    const text = readFileSync(path, 'utf8')
    change(path)
    const changed = readFileSync(path, 'utf8')
    for (const id of ['b', 'c']) {
      await assert.rejects(store.insert(queue, [row(id)]), (error) => {
        return isBackendError(error) && error.message.includes(`${path}: another program has`)
      })
    }
    assert.equal(readFileSync(path, 'utf8'), changed)
    writeFileSync(path, text)
    await store.insert(queue, [row('d')])
    await store.close()
    const again = await open(path)
    assert.deepEqual(await idsOf(again), ['a', 'b', 'd'])
    await again.close()
  }
})

test('by whatever links it is reached, one process has it, and the links stay links', async () => {
  const folder = realpathSync(newFolder())
  const path = join(folder, 'tasks.jsonl')
  const linked = join(folder, 'linked')
  const link = join(folder, 'link.jsonl')
  symlinkSync('.', linked)
  symlinkSync('tasks.jsonl', link)
  const storage = await JsonStorage.open(join(linked, 'tasks.jsonl'))
  assert.equal(storage.path, path)
  await assert.rejects(JsonStorage.open(link), refusal(path, 'this process itself has it open'))
  await assert.rejects(JsonStorage.open(path), refusal(path, 'this process itself has it open'))
  await storage.close()
  const byLink = await open(link, { keepFinished: 0 })
  const args = JSON.stringify('x'.repeat(100_000))
  const file = statSync(path).ino
  for (let n = 0; statSync(path).ino === file; n += 1) {
    assert.ok(n < 1_000, 'it is never written anew')
    await byLink.insert(queue, [row('a', { args })])
    await byLink.remove(queue, 'a')
  }
  await byLink.close()
  assert.equal(lstatSync(link).isSymbolicLink(), true)
})
