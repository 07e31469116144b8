import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import { isBackendError } from '../../../src/errors/backend-errors.ts'
import { handles, idsOf, newPath, open, queue, row } from './lab.ts'

const failure = { name: 'Error', message: 'it failed' }

test('with fsync nothing is acknowledged before it is on the disk; without, nobody waits for that', async (context) => {
  const onDisk = Promise.withResolvers<void>()
  const sync = context.mock.method(await handles(), 'datasync', () => onDisk.promise)
  const fast = await open(newPath())
  await fast.insert(queue, [row('a')])
  await fast.close()
  assert.equal(sync.mock.callCount(), 0)
  const path = newPath()
  const opening = open(path, { fsync: true })
  while (sync.mock.callCount() === 0) await new Promise(setImmediate)
  onDisk.resolve()
  const store = await opening
  const next = Promise.withResolvers<void>()
  sync.mock.mockImplementation(() => next.promise)
  let answered = false
  const size = statSync(path).size
  const push = store.insert(queue, [row('a')]).then(() => {
    answered = true
  })
  while (sync.mock.callCount() < 2) await new Promise(setImmediate)
  for (let turns = 0; turns < 10; turns += 1) await new Promise(setImmediate)
  assert.ok(statSync(path).size > size)
  assert.equal(answered, false)
  next.resolve()
  await push
  await store.close()
})

test('what the disk does not confirm is refused, and written again with the next call', async (context) => {
  const path = newPath()
  const store = await open(path, { fsync: true })
  const sync = context.mock.method(await handles(), 'datasync', async () => {
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  })
  await assert.rejects(store.insert(queue, [row('a')]), (error) => {
    return isBackendError(error) && error.message.includes(`${path}: EIO`)
  })
  sync.mock.restore()
  await store.insert(queue, [row('b')])
  await store.close()
  const again = await open(path)
  assert.deepEqual(await idsOf(again), ['a', 'b'])
  await again.close()
})

test('a new file, and one that was written anew, are on the disk under their name', async (context) => {
  const path = newPath()
  /** Of each sync, which file had the name by then. */
  const named: (number | undefined)[] = []
  context.mock.method(await handles(), 'sync', async () => {
    named.push(statSync(path, { throwIfNoEntry: false })?.ino)
  })
  const store = await open(path, { keepFinished: 0 })
  const first = statSync(path).ino
  assert.deepEqual(named.splice(0), [first])
  const args = JSON.stringify('x'.repeat(100_000))
  while (statSync(path).ino === first) {
    await store.insert(queue, [row('a', { args })])
    await store.remove(queue, 'a')
  }
  await store.close()
  // The contents before the name, the name before anybody relies on it.
  assert.deepEqual(named, [first, statSync(path).ino])
})

test('what changes while the file is written anew, and is gone before its turn, leaves no line that cannot be read', async () => {
  const path = newPath()
  const store = await open(path)
  const file = statSync(path).ino
  const args = JSON.stringify('x'.repeat(30_000))
  const ids = Array.from({ length: 60 }, (_, index) => `row-${index}`)
  await store.insert(
    queue,
    ids.map((id) => row(id, { args })),
  )
  // It is much to write, and these are the last of it.
  const changes: Promise<unknown>[] = []
  for (const id of ids.slice(-10)) {
    changes.push(store.kill(queue, id, failure), store.remove(queue, id))
  }
  await Promise.all(changes)
  assert.equal(statSync(path).ino, file, 'it was written anew before anything changed')
  await store.close()
  assert.notEqual(statSync(path).ino, file)
  const again = await open(path)
  assert.deepEqual(again.damaged, [])
  assert.deepEqual(await idsOf(again), ids.slice(0, -10))
  await again.close()
})
