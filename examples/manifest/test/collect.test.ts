import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, rm, stat, utimes } from 'node:fs/promises'
import { test } from 'node:test'

import { Monitor, Shutdown } from '@apalis/core'
import { TestClock } from '@apalis/core/testing'

import { collect } from '../src/collect.ts'
import { retryKilled } from '../src/leftovers.ts'
import { openStore, type Store } from '../src/store.ts'
import { Tally } from '../src/tally.ts'
import { addWorkers } from '../src/workers.ts'
import { tempFolder } from './temp-folder.ts'

test('tries again what cannot be read, until it can', async () => {
  await using lab = await makeLab()
  const { folder, tally, clock } = lab
  await folder.write('a', 'a')
  // As if it had been a file when the folder was walked.
  await mkdir(folder.at('b'))
  const collected = lab.collect(['a', 'b'])
  while (tally.retried < 1) await clock.settle()
  await rm(folder.at('b'), { recursive: true })
  await folder.write('b', 'b at last')
  const entries = await lab.advanceUntil(collected)
  assert.deepEqual(
    entries.map(({ path, sha256 }) => [path, sha256]),
    [
      ['a', sha256('a')],
      ['b', sha256('b at last')],
    ],
  )
  assert.deepEqual([tally.done, tally.killed, tally.problems], [2, 0, []])
})

test('gives up in the end, with the reason; what has vanished at once', async () => {
  await using lab = await makeLab()
  const { folder, tally } = lab
  await mkdir(folder.at('b\n'))
  await folder.write('c', 'c')
  const entries = await lab.advanceUntil(lab.collect(['a', 'b\n', 'c']))
  assert.deepEqual(
    entries.map(({ path }) => path),
    ['c'],
  )
  assert.deepEqual([tally.done, tally.killed, tally.retried], [1, 2, 3])
  assert.deepEqual(tally.problems.toSorted(), [
    'a: it vanished before it was read',
    'b\\u{a}: it is no regular file any more',
  ])
})

test('what the queue knows already is not done again', async () => {
  await using lab = await makeLab()
  const { folder, tally } = lab
  await folder.write('a', 'a')
  const first = await lab.collect(['a'])
  assert.deepEqual(await lab.collect(['a']), first)
  assert.deepEqual(await lab.epochs(), [1])
  assert.deepEqual([tally.done, tally.doneBefore], [2, 1])
})

test('a file that has changed is another, also with its size and time as they were', async () => {
  await using lab = await makeLab()
  const { folder } = lab
  await folder.write('a', 'one')
  const { atime, mtime } = await stat(folder.at('a'))
  await lab.collect(['a'])
  await folder.write('a', 'two')
  await utimes(folder.at('a'), atime, mtime)
  const [entry] = await lab.collect(['a'])
  assert.equal(entry?.sha256, sha256('two'))
})

test('what an interrupted run gave up is tried again', async () => {
  await using lab = await makeLab()
  const { tally } = lab
  await lab.collect(['gone'])
  await lab.collect(['gone'])
  assert.deepEqual(await lab.epochs(), [1])
  await retryKilled(lab.store)
  await lab.collect(['gone'])
  assert.deepEqual(await lab.epochs(), [2])
  assert.equal(tally.killed, 3)
})

test('when no worker runs any more, gives back what has ended', async () => {
  await using lab = await makeLab()
  const { folder, tally, clock } = lab
  await folder.write('a', 'a')
  await mkdir(folder.at('b'))
  const collected = lab.collect(['a', 'b'])
  while (tally.retried < 1 || tally.done < 1) await clock.settle()
  await lab.stop()
  const entries = await collected
  assert.deepEqual(
    entries.map(({ path }) => path),
    ['a'],
  )
  assert.deepEqual([tally.done, tally.killed, tally.problems], [1, 0, []])
})

async function makeLab() {
  const folder = await tempFolder()
  const clock = new TestClock()
  const store: Store = await openStore(':memory:', clock)
  const tally = new Tally()
  const shutdown = new Shutdown()
  const over = new AbortController()
  const monitor = new Monitor({ shutdown, clock })
  addWorkers(monitor, store, { folder: folder.path, workers: 2, filesAtOnce: 2, tally })
  const running = monitor.run().finally(() => over.abort())
  const stop = async (): Promise<void> => {
    shutdown.start()
    await running
  }
  return {
    folder,
    store,
    clock,
    tally,
    stop,
    collect: (paths: readonly string[]) =>
      collect(paths, {
        folder: Buffer.from(folder.path),
        queue: store.files,
        tally,
        over: over.signal,
      }),
    /** How often each task was claimed. */
    async epochs() {
      return (await store.files.listTasks()).map(({ parts }) => parts.context.epoch)
    },
    /** Moves time until `promise` settles. */
    async advanceUntil<Value>(promise: Promise<Value>): Promise<Value> {
      let settled = false
      const watched = promise.finally(() => {
        settled = true
      })
      watched.catch(() => {})
      while (!settled) await clock.advance('1s')
      return watched
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await store[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}
