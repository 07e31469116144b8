import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, stat, symlink, truncate, utimes } from 'node:fs/promises'
import { basename } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { Shutdown } from '@apalis/core'

import type { ManifestEntry } from '../src/manifest.ts'
import { toBytes } from '../src/names.ts'
import { placesFor } from '../src/places.ts'
import { type RunOptions, writeManifest } from '../src/run.ts'
import { Tally } from '../src/tally.ts'
import { sha256sum, sums } from './sha256sum.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

const oddNames = [
  'plain.txt',
  'with space',
  ' ',
  'two\nlines',
  'carriage\rreturn',
  'tab\t',
  '"quoted" \'twice\'',
  'back\\slash',
  '$HOME `ls` *?[]',
  '-n',
  '..data',
  'a/b/c/d/e/f/deep',
  'a.b',
  'é',
  'e\u0301',
  '日本語/🎉.md',
  '\u202e\u200b\ufeff',
  '\u0001\u001b[31m',
  'x'.repeat(255),
]

test('the manifest says what node:crypto and sha256sum say, whatever the names', async () => {
  await using folder = await tempFolder()
  await using place = await tempFolder()
  const contents = new Map(oddNames.map((name, index) => [name, name.repeat(index * 500)]))
  for (const [name, content] of contents) await folder.write(name, content)
  await folder.write('empty', '')
  await symlink('plain.txt', folder.at('link'))
  // Other systems refuse names that are no text.
  const raw = process.platform === 'linux' ? ['\xff', 'latin1-\xe4'] : []
  for (const name of raw) await folder.write(toBytes(name), name)

  const tally = new Tally()
  assert.equal(await run(folder, place, { tally }), true)

  const entries = await read(place)
  const expected = new Map([...contents, ['empty', '']])
  assert.equal(entries.length, expected.size + raw.length)
  for (const { path, size, sha256, gzipSize, pathBase64 } of entries) {
    if (pathBase64 !== undefined) continue
    const content = Buffer.from(expected.get(path) ?? assert.fail(`${path} is not expected`))
    assert.equal(size, content.length)
    assert.equal(sha256, createHash('sha256').update(content).digest('hex'))
    assert.equal(gzipSize, gzipSync(content).length)
  }
  assert.deepEqual(sums(entries), sha256sum(folder.path))
  assert.deepEqual([tally.done, tally.left, tally.skipped], [entries.length, 0, 1])
})

test('an empty folder has an empty manifest', async () => {
  await using folder = await tempFolder()
  await using place = await tempFolder()
  assert.equal(await run(folder, place), true)
  assert.deepEqual(await read(place), [])
})

test('more files than are queued together come in order, each once', async () => {
  await using folder = await tempFolder()
  await using place = await tempFolder()
  const names = Array.from({ length: 1_203 }, (_, number) => `${number % 7}/${number}`)
  for (const name of names) await folder.write(name, name)
  const tally = new Tally()
  assert.equal(await run(folder, place, { tally }), true)
  assert.deepEqual(
    (await read(place)).map(({ path }) => path),
    names.toSorted(),
  )
  assert.deepEqual([tally.found, tally.foundAll, tally.done], [1_203, true, 1_203])
})

test('a manifest within the folder does not list itself, nor what it grows in', async () => {
  await using folder = await tempFolder()
  await folder.write('file', '')
  await folder.write('manifest.json', 'the one before')
  assert.equal(await run(folder, folder), true)
  assert.deepEqual(
    (await read(folder)).map(({ path }) => path),
    ['file'],
  )
})

test('stopped, it writes no manifest and says what is left', async () => {
  await using folder = await tempFolder()
  await using place = await tempFolder()
  await place.write('manifest.json', 'the one before')
  for (let number = 0; number < 300; number += 1) await folder.write(`${number}`, '')
  for (const name of ['500', '501']) {
    await folder.write(name, '')
    await truncate(folder.at(name), 8_000_000)
  }
  const shutdown = new Shutdown()
  const tally = new (class extends Tally {
    override finish(...end: Parameters<Tally['finish']>): void {
      super.finish(...end)
      shutdown.start()
    }
  })()
  assert.equal(await run(folder, place, { tally, shutdown, workers: 1, filesAtOnce: 1 }), false)
  assert.equal(await readFile(place.at('manifest.json'), 'utf8'), 'the one before')
  const { queue } = await placesFor(folder.path, place.at('manifest.json'))
  assert.deepEqual(await readdir(place.path), ['manifest.json', basename(queue)])
  assert.ok(tally.done >= 1)
  assert.ok(tally.left >= 1)
})

test('a second run takes nothing from the first', async () => {
  await using folder = await tempFolder()
  await folder.write('file', 'one')
  const { atime, mtime } = await stat(folder.at('file'))
  assert.equal(await run(folder, folder), true)
  assert.deepEqual((await readdir(folder.path)).toSorted(), ['file', 'manifest.json'])
  await folder.write('file', 'two')
  await utimes(folder.at('file'), atime, mtime)
  const tally = new Tally()
  assert.equal(await run(folder, folder, { tally }), true)
  const [entry] = await read(folder)
  assert.equal(entry?.sha256, createHash('sha256').update('two').digest('hex'))
  assert.equal(tally.doneBefore, 0)
})

test('a folder that cannot be read is an error', async () => {
  await using folder = await tempFolder()
  const options = { folder: folder.at('nowhere'), output: folder.at('manifest.json') }
  await assert.rejects(run(folder, folder, options), { code: 'ENOENT' })
  assert.deepEqual(await readdir(folder.path), [])
})

function run(folder: TempFolder, place: TempFolder, options: Partial<RunOptions> = {}) {
  return writeManifest({
    folder: folder.path,
    output: place.at('manifest.json'),
    workers: 2,
    filesAtOnce: 3,
    tally: new Tally(),
    ...options,
  })
}

async function read(place: TempFolder): Promise<ManifestEntry[]> {
  return JSON.parse(await readFile(place.at('manifest.json'), 'utf8'))
}
