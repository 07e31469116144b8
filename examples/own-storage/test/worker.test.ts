import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, Storage, WorkerBuilder } from '@apalis/core'
import { mapStore } from '../src/map-store.ts'

test('queues and workers run on the store', async () => {
  // #region use
  const storage = new Storage(mapStore())
  const squares = storage.queue<number, number>('squares', { result: json<number>() })

  const worker = new WorkerBuilder('calculator').backend(squares).build((n) => n * n)
  const id = await squares.push(7)
  await worker.runUntil(squares.result(id))
  // #endregion
  assert.equal(await squares.result(id), 49)
})
