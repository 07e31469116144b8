import assert from 'node:assert/strict'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'

import { type ManifestEntry, ManifestWriter } from '../src/manifest.ts'
import { tempFolder } from './temp-folder.ts'

const entry = (path: string): ManifestEntry => ({ path, size: 1, sha256: 'ab', gzipSize: 21 })

test('is a JSON array with one entry a line, whole or not there', async () => {
  await using folder = await tempFolder()
  const output = folder.at('manifest.json')
  await folder.write('growing', 'what a killed process has left there')
  {
    await using writer = await ManifestWriter.open(output, folder.at('growing'))
    await writer.add([entry('a'), entry('b\n"')])
    await writer.add([])
    await writer.add([entry('c')])
    await assert.rejects(readFile(output), { code: 'ENOENT' })
    await writer.commit()
  }
  const text = await readFile(output, 'utf8')
  assert.deepEqual(JSON.parse(text), [entry('a'), entry('b\n"'), entry('c')])
  assert.deepEqual(text.split('\n').slice(1, -2), [
    `${JSON.stringify(entry('a'))},`,
    `${JSON.stringify(entry('b\n"'))},`,
    JSON.stringify(entry('c')),
  ])
  assert.deepEqual(await readdir(folder.path), ['manifest.json'])
})

test('without entries is an empty array', async () => {
  await using folder = await tempFolder()
  await using writer = await ManifestWriter.open(folder.at('manifest.json'), folder.at('growing'))
  await writer.commit()
  assert.equal(await readFile(folder.at('manifest.json'), 'utf8'), '[]\n')
})

test('given up leaves the one before as it was, and nothing beside it', async () => {
  await using folder = await tempFolder()
  await folder.write('manifest.json', 'before')
  {
    await using writer = await ManifestWriter.open(folder.at('manifest.json'), folder.at('growing'))
    await writer.add([entry('a')])
  }
  assert.equal(await readFile(folder.at('manifest.json'), 'utf8'), 'before')
  assert.deepEqual(await readdir(folder.path), ['manifest.json'])
})

test('a place that cannot be taken is an error, and nothing is left', async () => {
  await using folder = await tempFolder()
  await mkdir(folder.at('manifest.json'))
  const writer = await ManifestWriter.open(folder.at('manifest.json'), folder.at('growing'))
  await assert.rejects(writer.commit(), { code: 'EISDIR' })
  await writer[Symbol.asyncDispose]()
  assert.deepEqual(await readdir(folder.path), ['manifest.json'])
})
