import assert from 'node:assert/strict'
import { test } from 'node:test'

import { AbortError, systemClock, WorkerBuilder } from '@apalis/core'
import { TestClock } from '@apalis/core/testing'

import { leftovers } from '../src/leftovers.ts'
import { openStore } from '../src/store.ts'
import { tempFolder } from './temp-folder.ts'

test('a new store has none', async () => {
  await using store = await openStore(':memory:', systemClock)
  assert.deepEqual(await leftovers(store, new Date()), [])
})

test('says what is done, queued, given up, and held by dead workers until when', async () => {
  await using folder = await tempFolder()
  const clock = new TestClock(new Date(2030, 0, 1, 14, 3, 2, 500))
  const first = await openStore(folder.at('queue'), clock)
  await first.files.pushBulk(['done', 'gone', 'one', 'two', 'three'].map((path) => ({ path })))
  let reading = 0
  const worker = new WorkerBuilder('digest').backend(first.files).build(({ path }) => {
    if (path === 'done') return { size: 0, sha256: '', gzipSize: 0 }
    if (path === 'gone') throw new AbortError('it vanished')
    reading += 1
    return new Promise<never>(() => {})
  })
  const running = worker.run({ shutdownTimeout: 0 })
  for (let counts = await first.files.metrics(); counts.done + counts.killed < 2;) {
    await clock.settle()
    counts = await first.files.metrics()
  }
  assert.equal(reading, 3)

  // Another process, as the first ends without a word.
  await using store = await openStore(folder.at('queue'), clock)
  const summary =
    'going on where an interrupted run stopped: 1 file done before, 3 queued, 1 given up and tried again'
  const held = '3 files are still held by a worker that died; they are taken back'
  assert.deepEqual(await leftovers(store, new Date(clock.now())), [summary, `${held} by 14:03:06`])
  const later = new Date(clock.now() + 3_000)
  assert.deepEqual(await leftovers(store, later), [summary, `${held} now`])

  worker.stop()
  await clock.advance('5s')
  await running
  await first[Symbol.asyncDispose]()
})
