import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClaimedRow, StoreOutcome } from '@apalis/core'
import { TestClock } from '@apalis/core/testing'
import type { PoolClient } from 'pg'
import { PoolLink } from '../src/pool-link.ts'
import { letGo } from './support/let-go.ts'
import { freshSchema } from './support/schemas.ts'
import { openServerPool } from './support/server-pool.ts'
import { openStore } from './support/stores.ts'

const { skip, pool } = await openServerPool()

const error = { name: 'Error', message: 'of the handler' }
const outcomes: readonly StoreOutcome[] = [
  { type: 'done' },
  { type: 'done', result: '7' },
  { type: 'failed', error, retryInMs: 0 },
  { type: 'killed', error },
  { type: 'released', dueInMs: 0 },
  { type: 'released', dueInMs: 1_000, error },
]

interface World extends Disposable {
  readonly schema: string
  readonly store: Awaited<ReturnType<typeof openStore>>
  /** Runs of each of the outcomes, and one more. */
  readonly claimed: readonly ClaimedRow[]
  /** Somebody else. */
  readonly client: PoolClient
}

const worker = { id: 'w', queue: 'mail' }

async function openWorld(): Promise<World> {
  const schema = freshSchema()
  const store = await openStore(new PoolLink(pool), schema, new TestClock(), { listen: false })
  await store.register({ ...worker, name: 'w', layers: [], leaseMs: 60_000 })
  const ids = [...outcomes.keys(), 'other'].map((at) => `t-${at}`)
  await store.insert(
    'mail',
    ids.map((id) => ({ id, args: '1', priority: 0, attempts: 5 })),
  )
  const { rows: claimed } = await store.claim(worker, 10, { suspects: 0 })
  const client = await pool.connect()
  return { schema, store, claimed, client, [Symbol.dispose]: () => client.release(true) }
}

test(
  'what is refused to a running task is in the way of nobody who ends it',
  { skip },
  async () => {
    using world = await openWorld()
    const { schema, store, claimed, client } = world
    await client.query('BEGIN')
    for (const [at, outcome] of outcomes.entries()) {
      const { id, epoch } = claimed[at] ?? { id: '', epoch: 0 }
      for (const call of [`update_1('mail', $1, '{}', 0)`, `remove_1('mail', $1, 0)`]) {
        const { rows } = await client.query<{ said: string }>(
          `SELECT "${schema}".${call} AS said`,
          [id],
        )
        assert.match(rows[0]?.said ?? '', /running/)
      }
      await client.query(`SELECT "${schema}".retry_1('mail', $1, true, 0)`, [id])
      assert.deepEqual(await store.settle(worker, [{ id, epoch, outcome }]), ['applied'], id)
    }
    await client.query('COMMIT')
    const { pending, running, done, failed, killed } = await store.count('mail')
    assert.deepEqual([pending, running, done, failed, killed], [2, 1, 2, 1, 1])
  },
)

test(
  'a run that is killed in the moment in which it is settled stays killed',
  { skip },
  async () => {
    using world = await openWorld()
    const { schema, store, claimed, client } = world
    for (const [at, outcome] of outcomes.entries()) {
      const { id, epoch } = claimed[at] ?? { id: '', epoch: 0 }
      await client.query('BEGIN')
      await client.query(`SELECT "${schema}".kill_1('mail', $1, $2, 0)`, [
        id,
        JSON.stringify({ name: 'TaskKilledError', message: 'enough' }),
      ])
      // Only one that is done waits.
      const gone = outcome.type === 'done' ? letGo(client) : undefined
      assert.deepEqual(await store.settle(worker, [{ id, epoch, outcome }]), ['stale'], id)
      await (gone ?? client.query('COMMIT'))
      const [row] = await store.get('mail', [id])
      assert.deepEqual([row?.status, row?.errors.length, row?.result], ['killed', 1, undefined], id)
    }
    const { running, done, killed } = await store.count('mail')
    assert.deepEqual([running, done, killed], [1, 0, outcomes.length])
  },
)

test(
  'a transaction that keeps a task locked holds up no other that ends with it',
  { skip },
  async () => {
    using world = await openWorld()
    const { schema, store, claimed, client } = world
    const [locked, other] = claimed.map(({ id, epoch }) => ({
      id,
      epoch,
      outcome: { type: 'failed', error, retryInMs: 0 } as const,
    }))
    assert.ok(locked !== undefined && other !== undefined)
    await client.query('BEGIN')
    await client.query(`SELECT FROM "${schema}".task WHERE id = $1 FOR UPDATE`, [locked.id])
    assert.deepEqual(await store.settle(worker, [locked, other]), ['stale', 'applied'])
    await client.query('COMMIT')
    // It is given back once that is over.
    assert.deepEqual(await store.settle(worker, [locked, other]), ['applied', 'repeated'])
  },
)
