import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, rm, symlink, truncate, utimes } from 'node:fs/promises'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { isAbortError } from '@apalis/core'
import { type TestRequest, testRequest } from '@apalis/core/testing'

import { type Digest, type DigestData, digestFile } from '../src/digest.ts'
import type { FileName } from '../src/names.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

test('tells the size, the hash and the compressed size', async () => {
  await using folder = await tempFolder()
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * index) % 251))
  for (const content of [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(200_000), noise]) {
    await folder.write('file', content)
    assert.deepEqual(await digest(folder), {
      size: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      gzipSize: gzipSync(content).length,
    })
  }
})

test('gives up what has vanished', async () => {
  await using folder = await tempFolder()
  await assert.rejects(digest(folder), (error) => {
    assert.ok(isAbortError(error))
    assert.equal(error.message, 'it vanished before it was read')
    return true
  })
  await folder.write('file', '')
  // Its folder is a file now.
  await assert.rejects(digest(folder, 'file/below'), isAbortError)
})

test('does not read what took the place of a file, and says what is wrong', async () => {
  await using folder = await tempFolder()
  await mkdir(folder.at('file'))
  await assert.rejects(digest(folder), /^Error: it is no regular file any more$/)
  await rm(folder.at('file'), { recursive: true })
  await folder.write('target', '')
  await symlink('target', folder.at('file'))
  await assert.rejects(digest(folder), /^Error: it cannot be read: .+ \(ELOOP\)$/)
  await rm(folder.at('file'))
  // Opening a pipe waits for a writer, usually.
  assert.equal(spawnSync('mkfifo', [folder.at('file')]).status, 0)
  await assert.rejects(digest(folder), /^Error: it is no regular file any more$/)
})

test('refuses what changes while it is read', async () => {
  await using folder = await tempFolder()
  await folder.write('file', '')
  await truncate(folder.at('file'), 32_000_000)
  let reading = true
  const digested = digest(folder).finally(() => {
    reading = false
  })
  digested.catch(() => {})
  for (let second = 1; reading; second += 1) await utimes(folder.at('file'), second, second)
  await assert.rejects(digested, /^Error: it changed while it was read$/)
})

test('ends when its signal aborts', async () => {
  await using folder = await tempFolder()
  await folder.write('file', '')
  // Nobody waits for all of it to be compressed.
  await truncate(folder.at('file'), 2 ** 42)
  const request = requestFor(folder, 'file')
  const digested = digestFile({ path: 'file' }, request)
  request.abort(new Error('enough'))
  await assert.rejects(digested, { name: 'AbortError' })
})

function requestFor(folder: TempFolder, path: string): TestRequest<FileName, DigestData> {
  return testRequest({ path }, { data: { folder: Buffer.from(folder.path) } })
}

function digest(folder: TempFolder, path = 'file'): Promise<Digest> {
  return digestFile({ path }, requestFor(folder, path))
}
