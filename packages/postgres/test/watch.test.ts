import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { TestClock } from '@apalis/core/testing'
import { Pool } from 'pg'
import { PoolLink } from '../src/pool-link.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'
import { openStore } from './support/stores.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
after(() => server?.[Symbol.asyncDispose]())

const worker = { id: 'w', queue: 'work', name: 'w', leaseMs: 30_000, layers: [] }

test(
  'a failure is settled although somebody begins to wait for the task just then',
  { skip },
  async () => {
    const schema = freshSchema()
    const pool = new Pool({ connectionString: server?.url ?? '', application_name: schema })
    const store = await openStore(new PoolLink(pool), schema, new TestClock())
    await store.register(worker)
    await store.insert('work', [{ id: 'a', args: '1', priority: 0, attempts: 5 }])
    const [row] = (await store.claim(worker, 1, { suspects: 1 })).rows
    assert.ok(row !== undefined)
    const reader = await pool.connect()
    await reader.query('BEGIN')
    await reader.query(`SELECT "${schema}".watch_1('work', '{a}')`)
    const outcome = {
      type: 'failed',
      retryInMs: 0,
      error: { name: 'Error', message: 'e' },
    } as const
    let over = false
    const settled = store
      .settle(worker, [{ id: 'a', epoch: row.epoch, outcome }])
      .finally(() => (over = true))
    const waiting = `SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`
    while (!over && (await pool.query(waiting, [schema])).rows.length === 0);
    await reader.query('COMMIT')
    reader.release()
    assert.deepEqual(await settled, ['applied'])
    await store.close()
    await pool.end()
  },
)
