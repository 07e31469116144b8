import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, rm, symlink } from 'node:fs/promises'
import { test } from 'node:test'

import { type BytePath, type FileName, toBytePath, toBytes } from '../src/names.ts'
import { walk, type WalkOptions } from '../src/walk.ts'
import { allOf } from './all-of.ts'
import { tempFolder } from './temp-folder.ts'

test('finds every regular file, in the order of the bytes of the whole paths', async () => {
  await using folder = await tempFolder()
  const paths = ['a/x', 'a.b', 'a-/y', 'b', 'ä', '🎉', '\uffee', 'c/d/e/f', 'c/d.e', 'Z', '\n', '"']
  for (const path of paths) await folder.write(path, '')
  await mkdir(folder.at('empty/below'), { recursive: true })
  assert.deepEqual(await found(folder.path), paths.map(toBytePath).sort())
})

test('keeps the bytes of names that are no text', async () => {
  await using folder = await tempFolder()
  // Other systems refuse such names.
  const names = process.platform === 'linux' ? ['\xff', 'a\xe4', '\xed\xa0\x80'] : ['\xc3\xa4']
  for (const name of names) await folder.write(toBytes(name), '')
  assert.deepEqual(await found(folder.path), names.sort())
})

test('does not follow links, and tells of all that is no regular file', async () => {
  await using folder = await tempFolder()
  await folder.write('inside/file', '')
  await symlink(folder.at('inside'), folder.at('to-folder'))
  await symlink('inside/file', folder.at('to-file'))
  await symlink('nowhere', folder.at('dangling'))
  assert.equal(spawnSync('mkfifo', [folder.at('pipe')]).status, 0)
  const skipped: FileName[] = []
  const paths = await found(folder.path, { skipped: (name) => skipped.push(name) })
  assert.deepEqual(paths, ['inside/file'])
  assert.deepEqual(skipped.map(({ path }) => path).sort(), [
    'dangling',
    'pipe',
    'to-file',
    'to-folder',
  ])
})

test('goes on without a folder that cannot be read, and tells of it', async () => {
  await using folder = await tempFolder()
  for (const name of ['a', 'b/gone', 'c']) await folder.write(name, '')
  const unreadable: [FileName, unknown][] = []
  const paths: BytePath[] = []
  const told = (name: FileName, error: unknown): void => void unreadable.push([name, error])
  for await (const path of walk(Buffer.from(folder.path), { unreadable: told })) {
    paths.push(path)
    // The walk knows of the folder by now, and has not read it.
    if (path === 'a') await rm(folder.at('b'), { recursive: true })
  }
  assert.deepEqual(paths, ['a', 'c'])
  assert.deepEqual(
    unreadable.map(([name, error]) => [name, (error as NodeJS.ErrnoException).code]),
    [[{ path: 'b/' }, 'ENOENT']],
  )
})

test('throws when the folder itself cannot be read', async () => {
  await using folder = await tempFolder()
  await assert.rejects(found(folder.at('nowhere')), { code: 'ENOENT' })
})

test('leaves out what it is told to, and ends when the signal aborts', async () => {
  await using folder = await tempFolder()
  for (const name of ['a', 'b', 'c/d', 'e']) await folder.write(name, '')
  const stop = new AbortController()
  const paths: BytePath[] = []
  for await (const path of walk(Buffer.from(folder.path), {
    except: new Set(['b']),
    signal: stop.signal,
  })) {
    paths.push(path)
    if (path === 'c/d') stop.abort()
  }
  assert.deepEqual(paths, ['a', 'c/d'])
})

function found(folder: string, options: WalkOptions = {}): Promise<BytePath[]> {
  return allOf(walk(Buffer.from(folder), options))
}
