import assert from 'node:assert/strict'
import { renameSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isBackendError, sleep, type StoreSignal, systemClock } from '@apalis/core'
import type { SqliteStore } from '../src/sqlite-store.ts'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

const queue = 'work'

/** Hears the signals of a store, and waits for one. */
class Ear {
  readonly heard: StoreSignal[] = []
  #look: () => void = () => {}

  readonly listen = (signal: StoreSignal): void => {
    this.heard.push(signal)
    this.#look()
  }

  hears(type: StoreSignal['type'], id?: string): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => {
        const told = this.heard.some(
          (signal) =>
            signal.type === type && (id === undefined || signal.ids?.includes(id) !== false),
        )
        if (told) resolve()
      }
      this.#look()
    })
  }
}

function insert(store: SqliteStore, ...ids: readonly string[]): Promise<unknown> {
  return store.insert(
    queue,
    ids.map((id) => ({ id, args: '1', priority: 0, attempts: 1 })),
  )
}

test('what one connection commits the listeners of another hear', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const other = await openStore(folder.file())
  const ear = new Ear()
  await other.listen(ear.listen)
  await insert(store, 'a')
  await ear.hears('due')
  await other.watch(queue, ['a'])
  await store.kill(queue, 'a', { name: 'Error', message: 'no' })
  await ear.hears('settled', 'a')
  await Promise.all([store.close(), other.close()])
})

test('a commit of a transaction of the callers wakes the storage that it pushed through', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const ear = new Ear()
  await store.listen(ear.listen)
  const tx = new DatabaseSync(folder.file())
  tx.exec('BEGIN')
  const rows = [{ id: 'a', args: '1', priority: 0, attempts: 1 }]
  await store.insert(queue, rows, { within: tx })
  assert.deepEqual(ear.heard, [])
  tx.exec('COMMIT')
  await ear.hears('due')
  tx.close()
  await store.close()
})

test('a queue that was paused and resumed between two looks is told as resumed', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const other = await openStore(folder.file())
  const ear = new Ear()
  await insert(store, 'a')
  await other.listen(ear.listen)
  await Promise.all([store.pause(queue, true), store.pause(queue, false)])
  await ear.hears('resumed')
  await Promise.all([store.close(), other.close()])
})

test('whoever fell behind further than signals are kept hears that anything may have happened', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const other = await openStore(folder.file())
  const ids = Array.from({ length: 1_000 }, (_, index) => `task ${index}`)
  const ear = new Ear()
  await insert(store, ...ids)
  await other.listen(ear.listen)
  // In one transaction, so that no look comes in between; eleven times as many as a thousand.
  const connection = new DatabaseSync(folder.file())
  connection.exec('BEGIN')
  connection.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11000)
    INSERT INTO apalis_signal (type, queue, id) SELECT 'settled', 1, 'gone ' || i FROM n`)
  connection.exec('DELETE FROM apalis_signal WHERE seq <= 1000')
  connection.exec('COMMIT')
  connection.close()
  await ear.hears('settled')
  await ear.hears('killed')
  assert.ok(ear.heard.every(({ ids: told }) => told === undefined))
  await Promise.all([store.close(), other.close()])
})

test('signals of single tasks do not pile up', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file(), { synchronous: 'normal' })
  const connection = new DatabaseSync(folder.file())
  for (let round = 0; round < 12; round += 1) {
    const ids = Array.from({ length: 1_000 }, (_, index) => `${round} ${index}`)
    await insert(store, ...ids)
    await store.watch(queue, ids)
    await Promise.all(ids.map((id) => store.remove(queue, id)))
  }
  const kept = connection.prepare('SELECT count(*) AS kept FROM apalis_signal').get()?.['kept']
  assert.ok(Number(kept) <= 10_256, String(kept))
  connection.close()
  await store.close()
})

for (const [what, change] of [
  ['deleted', (path: string) => unlinkSync(path)],
  [
    'replaced',
    (path: string) => {
      writeFileSync(`${path}.new`, 'another')
      renameSync(`${path}.new`, path)
    },
  ],
] as const) {
  test(`a file that is ${what} ends listening, and fails every call until it is back`, async () => {
    using folder = testFolder()
    const path = folder.file()
    const store = await openStore(path)
    await insert(store, 'a')
    const ended = Promise.withResolvers<unknown>()
    await store.listen(() => {}, ended.resolve)
    renameSync(path, `${path}.away`)
    writeFileSync(path, '')
    change(path)
    const error = await ended.promise
    assert.ok(isBackendError(error) && error.message.includes(path))
    const calls = [
      () => insert(store, 'b'),
      () => store.get(queue, ['a']),
      () => store.listen(() => {}),
    ]
    for (const call of calls) {
      await assert.rejects(call, (failure) => {
        assert.ok(isBackendError(failure))
        assert.deepEqual([failure.transient, failure.applied], [true, 'no'])
        assert.match(failure.message, new RegExp(`${path}: the file was ${what}`))
        return true
      })
    }
    renameSync(`${path}.away`, path)
    await insert(store, 'c')
    assert.equal((await store.count(queue)).pending, 2)
    await store.close()
  })
}

for (const [what, change, why] of [
  ['emptied', (path: string) => truncateSync(path), /the file was emptied/],
  ['without its log', (path: string) => unlinkSync(`${path}-wal`), /db-wal, which belongs to it/],
  [
    'without the memory that its users share',
    (path: string) => unlinkSync(`${path}-shm`),
    /db-shm, which belongs to it/,
  ],
] as const) {
  test(`a file that is ${what} while it is open ends listening, and fails every call`, async () => {
    using folder = testFolder()
    const path = folder.file()
    const store = await openStore(path)
    await insert(store, 'a')
    const ended = Promise.withResolvers<unknown>()
    await store.listen(() => {}, ended.resolve)
    change(path)
    // Nobody may have told that it is to be looked.
    await assert.rejects(
      insert(store, 'b'),
      (error) => isBackendError(error) && why.test(error.message),
    )
    await assert.rejects(store.get(queue, ['a']), why)
    await assert.rejects(async () => store.listen(() => {}), why)
    assert.match(String(await ended.promise), why)
    await store.close()
    if (what === 'emptied') return
    const again = await openStore(path)
    assert.equal((await again.count(queue)).pending, 1)
    await again.close()
  })
}

test('a link to the file leads to its log', async () => {
  using folder = testFolder()
  await (await openStore(folder.file())).close()
  symlinkSync(folder.file(), folder.file('link.db'))
  const store = await openStore(folder.file('link.db'))
  const other = await openStore(folder.file())
  await insert(store, 'a')
  assert.equal((await other.count(queue)).pending, 1)
  unlinkSync(`${folder.file()}-wal`)
  await assert.rejects(insert(store, 'b'), /db-wal, which belongs to it/)
  await Promise.all([store.close(), other.close()])
})

test('whoever listens to nothing keeps no process alive and looks at nothing', async () => {
  using folder = testFolder()
  const store = await openStore(folder.file())
  const ear = new Ear()
  const listening = await store.listen(ear.listen)
  await listening[Symbol.asyncDispose]()
  const other = await openStore(folder.file())
  await insert(other, 'a')
  await sleep(systemClock, 0)
  assert.deepEqual(ear.heard, [])
  await Promise.all([store.close(), other.close()])
})
