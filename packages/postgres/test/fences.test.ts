// What stands in a statement against somebody else who is about to change the same rows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestClock } from '@apalis/core/testing'
import type { PoolClient } from 'pg'
import { PoolLink } from '../src/pool-link.ts'
import { letGo } from './support/let-go.ts'
import { freshSchema } from './support/schemas.ts'
import { openServerPool } from './support/server-pool.ts'
import { openStore } from './support/stores.ts'

const { skip, pool } = await openServerPool()

const worker = { id: 'w', queue: 'mail', name: 'w', layers: [], leaseMs: 60_000 }
const rescuer = { ...worker, id: 'rescuer' }
const poison = { name: 'PoisonError', message: 'dies' }
const DAY_MS = 86_400_000

interface World extends Disposable {
  readonly schema: string
  readonly store: Awaited<ReturnType<typeof openStore>>
  readonly clock: TestClock
  /** Somebody else. */
  readonly client: PoolClient
}

/** A worker, and a task. */
async function openWorld(): Promise<World> {
  const [schema, clock] = [freshSchema(), new TestClock()]
  const store = await openStore(new PoolLink(pool), schema, clock, { listen: false })
  await store.register(worker)
  await store.insert('mail', [{ id: 't', args: '1', priority: 0, attempts: 5 }])
  const client = await pool.connect()
  return { schema, store, clock, client, [Symbol.dispose]: () => client.release(true) }
}

test('what is killed while it is claimed is not claimed', { skip }, async () => {
  using world = await openWorld()
  const { schema, store, client } = world
  await client.query('BEGIN')
  const error = JSON.stringify(poison)
  await client.query(`SELECT "${schema}".kill_1('mail', 't', $1, 0)`, [error])
  const [claimed] = await Promise.all([store.claim(worker, 10, { suspects: 0 }), letGo(client)])
  assert.deepEqual(claimed.rows, [])
  assert.equal((await store.get('mail', ['t']))[0]?.status, 'killed')
})

test('who beats while others begin to rescue its tasks keeps them', { skip }, async () => {
  using world = await openWorld()
  const { schema, store, clock, client } = world
  await store.claim(worker, 1, { suspects: 0 })
  await clock.advance(worker.leaseMs + 1)
  await client.query('BEGIN')
  await client.query(`SELECT "${schema}".beat_1('mail', 'w', $1)`, [worker.leaseMs + 1])
  const options = { maxRescues: 3, poison }
  const [rescued] = await Promise.all([store.rescue('mail', 10, options), letGo(client)])
  assert.deepEqual(rescued, [])
  assert.deepEqual((await store.beat(worker)).held, [{ id: 't', epoch: 1 }])
})

test('of two that settle the same at once one has applied it', { skip }, async () => {
  using world = await openWorld()
  const { schema, store, clock, client } = world
  await store.claim(worker, 1, { suspects: 0 })
  await client.query('BEGIN')
  await client.query(`SELECT FROM "${schema}".task FOR SHARE`)
  const done = [{ id: 't', epoch: 1, outcome: { type: 'done' } }] as const
  const first = store.settle(worker, done)
  await letGo(client, false)
  await clock.advance(1)
  const second = store.settle(worker, done)
  await letGo(client, true, 2)
  assert.deepEqual((await Promise.all([first, second])).flat().toSorted(), ['applied', 'repeated'])
  assert.equal((await store.count('mail')).done, 1)
})

test('what is settled twice in one call is applied once', { skip }, async () => {
  using world = await openWorld()
  const { store } = world
  await store.claim(worker, 1, { suspects: 0 })
  const done = { id: 't', epoch: 1, outcome: { type: 'done' } } as const
  assert.deepEqual(await store.settle(worker, [done, done]), ['applied', 'repeated'])
  assert.equal((await store.count('mail')).done, 1)
})

test('what was given back and is done has been given back no more', { skip }, async () => {
  using world = await openWorld()
  const { store, clock } = world
  await store.claim(worker, 1, { suspects: 0 })
  const released = { type: 'released', dueInMs: 1 } as const
  await store.settle(worker, [{ id: 't', epoch: 1, outcome: released }])
  await clock.advance(1)
  const [again] = (await store.claim(worker, 1, { suspects: 0 })).rows
  assert.equal(again?.releases, 1)
  await store.settle(worker, [{ id: 't', epoch: 2, outcome: { type: 'done' } }])
  assert.equal((await store.get('mail', ['t']))[0]?.releases, 0)
})

test('a suspect that is changed stays one', { skip }, async () => {
  using world = await openWorld()
  const { store, clock } = world
  for (const id of ['first', 'second']) {
    const dies = { ...worker, id }
    await store.register(dies)
    await store.claim(dies, 1, { suspects: 0 })
    await clock.advance(worker.leaseMs + 1)
    await store.rescue('mail', 10, { maxRescues: 3, poison })
  }
  await store.update('mail', 't', { priority: 1 })
  await store.register(rescuer)
  assert.deepEqual((await store.claim(rescuer, 1, { suspects: 0 })).rows, [])
  assert.equal((await store.claim(rescuer, 1, { suspects: 1 })).rows.length, 1)
})

test(
  'a worker that was not heard of for days, and still holds tasks, is not forgotten',
  { skip },
  async () => {
    using world = await openWorld()
    const { store, clock } = world
    await store.claim(worker, 1, { suspects: 0 })
    await clock.advance(2 * DAY_MS)
    await store.register(rescuer)
    assert.deepEqual((await store.beat(worker)).held, [{ id: 't', epoch: 1 }])
  },
)

test('a beat counts anew what ended in a transaction of its handler', { skip }, async () => {
  using world = await openWorld()
  const { store, client } = world
  await store.claim(worker, 1, { suspects: 0 })
  await client.query('BEGIN')
  const done = [{ id: 't', epoch: 1, outcome: { type: 'done' } }] as const
  assert.deepEqual(await store.settle(worker, done, { within: client }), ['applied'])
  await client.query('COMMIT')
  assert.deepEqual((await store.beat(worker)).held, [])
  assert.deepEqual(
    (await store.workers('mail')).map(({ held }) => held),
    [0],
  )
})

test(
  'a killed task whose key was held for a while by another takes it back',
  { skip },
  async () => {
    using world = await openWorld()
    const { store, clock } = world
    const keyed = { args: '1', priority: 0, attempts: 5, uniqueKey: 'k' }
    await store.insert('mail', [{ ...keyed, id: 'a' }])
    await store.kill('mail', 'a', poison)
    await store.insert('mail', [{ ...keyed, id: 'b', uniqueForMs: 10 }])
    assert.deepEqual(await store.retry('mail', 'a', { resetAttempts: true }), {
      changed: false,
      holder: 'b',
    })
    await clock.advance(10)
    assert.deepEqual(await store.retry('mail', 'a', { resetAttempts: true }), { changed: true })
    assert.deepEqual(await store.insert('mail', [{ ...keyed, id: 'c' }]), [
      { id: 'a', existing: true },
    ])
  },
)

test(
  'what was written down of an end that was taken back goes with the purge',
  { skip },
  async () => {
    using world = await openWorld()
    const { schema, store, clock, client } = world
    await store.kill('mail', 't', poison)
    await store.retry('mail', 't', { resetAttempts: true })
    await clock.advance(10)
    await store.kill('mail', 't', poison)
    await clock.advance(5)
    const options = { status: 'killed', limit: 10 } as const
    assert.equal(await store.purge('mail', { ...options, olderThanMs: 10 }), 0)
    const { rows } = await client.query(`SELECT FROM "${schema}".ended`)
    assert.equal(rows.length, 1)
    assert.equal(await store.purge('mail', { ...options, olderThanMs: 5 }), 1)
  },
)

test('who still holds a key holds up no purge of what ended with it', { skip }, async () => {
  using world = await openWorld()
  const { store } = world
  const row = { args: '1', priority: 0, attempts: 5 }
  const holds = { ...row, id: 'holds', uniqueKey: 'k', uniqueForMs: 1_000 }
  await store.insert('mail', [holds, { ...row, id: 'other' }])
  const { rows } = await store.claim(worker, 10, { suspects: 0 })
  const outcome = { type: 'done' } as const
  await store.settle(
    worker,
    rows.map(({ id, epoch }) => ({ id, epoch, outcome })),
  )
  const options = { status: 'done', olderThanMs: 0 } as const
  assert.equal(await store.purge('mail', { ...options, limit: 1 }), 1)
  assert.equal(await store.purge('mail', { ...options, limit: 10 }), 1)
  assert.equal((await store.count('mail')).done, 1)
})
