import assert from 'node:assert/strict'
import { readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { test } from 'node:test'

import { begin, start } from './child.ts'
import { type Events, readEvents, untilEvents } from './events.ts'
import { sha256sum, sums } from './sha256sum.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

const FILES = 300

test('after Ctrl-C the next run does what is left, and what has changed', async () => {
  await using folder = await folderOfFiles()
  await using first = begin(...args(folder, '-w', '1', '-f', '1'))
  await untilEvents(folder.at('events'), 'success', 50)
  first.process.kill('SIGINT')
  assert.deepEqual(await first.ended, [130, null])
  const { engage, success } = await readEvents(folder.at('events'))
  assert.deepEqual(engage, success)
  const [path] = success
  assert.ok(path !== undefined)
  await changeUnseen(folder.at(`in/${path}`))

  const { status, stdout, stderr } = start(...args(folder))
  assert.equal(status, 0, stderr)
  const line = `^going on where an interrupted run stopped: ${success.length} files done before, `
  assert.match(stderr, new RegExp(line, 'm'))
  assert.match(stdout, new RegExp(`^files +${FILES} \\(${success.length - 1} done before\\)$`, 'm'))
  await assertWhole(folder)
  const starts = (await readEvents(folder.at('events'))).engage
  // Each file once, and the changed one twice.
  assert.equal(starts.length, FILES + 1)
  assert.deepEqual(
    starts.filter((one) => one === path),
    [path, path],
  )
})

test('after kill -9, wherever it hits, nothing is lost and what is done is not done again', async () => {
  await using folder = await folderOfFiles()
  // No run ends before it is killed.
  const endless = folder.at('in/endless')
  await writeFile(endless, '')
  await truncate(endless, 2 ** 42)
  let begun = 0
  let again = 0
  const kills: [event: keyof Events, count: number][] = [
    ['engage', 1],
    ['success', 100],
    ['success', 200],
  ]
  for (const [event, count] of kills) {
    await using child = begin(...args(folder))
    if (begun > 0) {
      await child.line(/^going on where an interrupted run stopped: /)
      await child.line(/^\d+ files? (is|are) still held by .* that died; .* taken back (by|now)/)
    }
    await untilEvents(folder.at('events'), event, count)
    child.process.kill('SIGKILL')
    assert.deepEqual(await child.ended, [null, 'SIGKILL'])
    const { engage, success } = await readEvents(folder.at('events'))
    const done = new Set(success)
    assert.equal(done.size, success.length)
    again += engage.slice(begun).filter((path) => !done.has(path)).length
    begun = engage.length
  }
  await rm(endless)
  const { status, stderr } = start(...args(folder))
  assert.equal(status, 0, stderr)
  await assertWhole(folder)
  const { engage, success } = await readEvents(folder.at('events'))
  // An end that was stored a moment before a kill may not be in the log. One in the log was not done again.
  assert.equal(new Set(success).size, success.length)
  const tasks = FILES + 1
  assert.ok(engage.length - tasks <= again, `${engage.length} starts, ${again} of them again`)
})

test('killed as the manifest is there, it changes nothing', async () => {
  await using folder = await folderOfFiles(20)
  await using child = begin(...args(folder))
  for (let there = false; !there;) there = (await readdir(folder.path)).includes('out.json')
  child.process.kill('SIGKILL')
  await child.ended
  await assertWhole(folder)
  await changeUnseen(folder.at('in/0/0'))
  const { status, stderr } = start(...args(folder))
  assert.equal(status, 0, stderr)
  await assertWhole(folder)
})

async function folderOfFiles(files = FILES): Promise<TempFolder> {
  const folder = await tempFolder()
  for (let number = 0; number < files; number += 1) {
    await folder.write(`in/${number % 7}/${number}`, `${number} `.repeat(20_000))
  }
  return folder
}

function args(folder: TempFolder, ...more: string[]): string[] {
  return [folder.at('in'), '-o', folder.at('out.json'), '-l', folder.at('events'), ...more]
}

/** Other content, as long and with the same time. */
async function changeUnseen(file: string): Promise<void> {
  const { size, atime, mtime } = await stat(file)
  await writeFile(file, 'x'.repeat(size))
  await utimes(file, atime, mtime)
}

/** The manifest says what `sha256sum` says, and nothing but it is left. */
async function assertWhole(folder: TempFolder): Promise<void> {
  const entries = JSON.parse(await readFile(folder.at('out.json'), 'utf8'))
  assert.deepEqual(sums(entries), sha256sum(folder.at('in')))
}
