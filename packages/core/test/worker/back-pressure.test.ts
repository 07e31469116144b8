import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeferredError } from '../../src/errors/task-errors.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import type { TaskStore, WorkerRef } from '../../src/storage/task-store.ts'
import { sleep, systemClock, turn } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

/** A store that tells every claim it hands out. */
function claimsTold(store: TaskStore, onClaim: (ids: readonly string[]) => void): TaskStore {
  return new Proxy(store, {
    get(target, method: keyof TaskStore) {
      if (method !== 'claim') {
        const member: unknown = target[method]
        return typeof member === 'function' ? member.bind(target) : member
      }
      return async (...[worker, limit, options]: [WorkerRef, number, { suspects: 0 | 1 }]) => {
        const claimed = await target.claim(worker, limit, options)
        onClaim(claimed.rows.map(({ id }) => id))
        return claimed
      }
    },
  })
}

test('a worker with concurrency(3) and slow handlers never holds more than 3 claims of 1,000', async () => {
  const held = new Set<string>()
  let most = 0
  const store = claimsTold(new MemoryStore(), (ids) => {
    for (const id of ids) held.add(id)
    most = Math.max(most, held.size)
  })
  const queue = new Storage(store).queue<number>('slow')
  await queue.pushBulk(Array.from({ length: 1_000 }, (_, index) => index))
  let ended = 0
  const worker = new WorkerBuilder('w')
    .backend(queue)
    .layer(concurrency(3))
    .build(async (index, { id, worker: me }) => {
      await sleep(systemClock, 2 + (index % 4))
      held.delete(id)
      ended += 1
      if (ended === 1_000) me.stop()
    })
  await worker.run()
  assert.equal(most, 3)
  assert.equal((await queue.metrics()).done, 1_000)
})

test('layers that wait above a limit do not let through more than it takes', async () => {
  const held = new Set<string>()
  let most = 0
  const store = claimsTold(new MemoryStore(), (ids) => {
    for (const id of ids) held.add(id)
    most = Math.max(most, held.size)
  })
  const queue = new Storage(store).queue<number>('slow')
  await queue.pushBulk(Array.from({ length: 100 }, (_, index) => index))
  let ended = 0
  const worker = new WorkerBuilder('w')
    .backend(queue)
    .data({ step: 1 })
    .use(async (request, next) => {
      await turn()
      // Some never get to the limit, and free their place all the same.
      if (request.attempt === 1 && request.task.args % 10 === 0) {
        held.delete(request.id)
        throw new DeferredError('once more')
      }
      return await next()
    })
    .extract({ user: async () => await turn() })
    .layer(concurrency(3))
    .build(async (_, { data: { step }, id, worker: me }) => {
      await turn()
      held.delete(id)
      ended += step
      if (ended === 100) me.stop()
    })
  await worker.run()
  assert.equal(most, 3)
  assert.equal((await queue.metrics()).done, 100)
})

test('two workers that share a limit neither exceed it nor starve', async () => {
  const storage = new Storage(new MemoryStore({ keepFinished: 10_000 }))
  const limit = concurrency(3)
  const ran = { a: 0, b: 0 }
  let running = 0
  let most = 0
  const workers = (['a', 'b'] as const).map((name) => {
    const queue = storage.queue<number>(name)
    const worker = new WorkerBuilder(name)
      .backend(queue)
      .layer(limit)
      .build(async () => {
        running += 1
        most = Math.max(most, running)
        await turn()
        running -= 1
        ran[name] += 1
        // Both have far more than this to do: whoever starves has done next to nothing by now.
        if (ran.a + ran.b === 1_000) for (const one of workers) one.worker.stop()
      })
    return { queue, worker }
  })
  for (const { queue } of workers) {
    await queue.pushBulk(Array.from({ length: 1_000 }, (_, index) => index))
  }
  await Promise.all(workers.map(({ worker }) => worker.run()))
  assert.equal(most, 3)
  assert.ok(ran.a >= 300 && ran.b >= 300, `a ${ran.a}, b ${ran.b}`)
  for (const { queue } of workers) assert.equal((await queue.metrics()).running, 0)
})
