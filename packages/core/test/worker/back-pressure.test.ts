import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeferredError } from '../../src/errors/task-errors.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import type { Claimed, TaskStore } from '../../src/storage/task-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { type Clock, sleep, turn } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

/** A store whose claims take so long, and that tells what each brought, also one that travels with a settlement. */
function claimsTold(
  clock: Clock,
  claimMs: number,
  onClaim: (ids: readonly string[]) => void,
): TaskStore {
  const store = new MemoryStore({ clock })
  const told = async (claimed: Claimed): Promise<void> => {
    onClaim(claimed.rows.map(({ id }) => id))
    if (claimMs > 0) await sleep(clock, claimMs)
  }
  const claim: TaskStore['claim'] = async (...args) => {
    const claimed = await store.claim(...args)
    await told(claimed)
    return claimed
  }
  const exchange: TaskStore['exchange'] = async (...args) => {
    const both = await store.exchange(...args)
    await told(both.claimed)
    return both
  }
  return new Proxy<TaskStore>(store, {
    get(_target, method) {
      if (method === 'claim') return claim
      if (method === 'exchange') return exchange
      const member: unknown = Reflect.get(store, method)
      return typeof member === 'function' ? member.bind(store) : member
    },
  })
}

for (const claimMs of [0, 20]) {
  test(`a worker with concurrency(3) and slow handlers never holds more than 3 claims of 1,000, each taking ${claimMs} ms`, async () => {
    const clock = new TestClock()
    const held = new Set<string>()
    let claimed = 0
    let most = 0
    const store = claimsTold(clock, claimMs, (ids) => {
      for (const id of ids) held.add(id)
      claimed += ids.length
      most = Math.max(most, held.size)
    })
    const queue = new Storage(store, { clock }).queue<number>('slow')
    await queue.pushBulk(Array.from({ length: 1_000 }, (_, index) => index))
    let ended = 0
    const worker = new WorkerBuilder('w')
      .backend(queue)
      .layer(concurrency(3))
      .build(async (index, { id, worker: me }) => {
        await sleep(clock, 1_000 + (index % 4) * 100)
        held.delete(id)
        ended += 1
        if (ended === 1_000) me.stop()
      })
    const running = worker.run()
    while (worker.context.state !== 'stopped') await clock.advance('10s')
    await running
    assert.deepEqual([claimed, most], [1_000, 3])
    assert.equal((await queue.metrics()).done, 1_000)
  })
}

test('layers that wait above a limit do not let through more than it takes', async () => {
  const held = new Set<string>()
  let most = 0
  // It stands still: claims take no time of it, however busy the machine is, and none is made ahead.
  const clock = new TestClock()
  const store = claimsTold(clock, 0, (ids) => {
    for (const id of ids) held.add(id)
    most = Math.max(most, held.size)
  })
  const queue = new Storage(store, { clock }).queue<number>('slow')
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

test('tasks that never wait are claimed as many at once as may run, also after some have waited', async () => {
  // The event loop has its turns when it was asked about them so often, and not when the machine is slow.
  let asked = 0
  const clock: Clock = Object.assign(new TestClock(), { loopTime: () => (asked += 1) })
  const sizes: number[] = []
  const store = claimsTold(clock, 0, (ids) => sizes.push(ids.length))
  const queue = new Storage(store, { clock }).queue<number>('fast')
  await queue.pushBulk(Array.from({ length: 2_000 }, (_, index) => index))
  let ended = 0
  const worker = new WorkerBuilder('w')
    .backend(queue)
    .layer(concurrency(100))
    .build(async (index, { worker: me }) => {
      if (index < 42) await turn()
      ended += 1
      if (ended === 2_000) me.stop()
    })
  await worker.run()
  // Not in two halves that wait for each other: what has ended while others began makes room as well.
  assert.ok(
    sizes.slice(5).every((size) => size === 100 || size === sizes.at(-1)),
    sizes.join(' '),
  )
})
