import assert from 'node:assert/strict'
import { test } from 'node:test'
import { work } from '../../src/worker/work.ts'
import { ListBackend } from './custom-backend.ts'

test('work runs a worker to its end', async () => {
  const backend = new ListBackend([1, 2, 3], { endless: false })
  const names = new Set<string>()
  await work(backend, (n, { worker }) => {
    names.add(worker.name)
    return n
  })
  assert.deepEqual(
    backend.settled.map(({ outcome }) => outcome),
    [1, 2, 3].map((result) => ({ type: 'done', result })),
  )
  assert.deepEqual([...names], ['list'])
})

test('work names a wrong option', async () => {
  const backend = new ListBackend([1])
  await assert.rejects(
    work(backend, () => undefined, { concurrency: 0 }),
    /concurrency.*0/,
  )
  assert.equal(backend.taken, 0)
})
