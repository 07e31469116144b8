import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { TestClock } from '@apalis/core/testing'
import { Pool } from 'pg'
import { PoolLink } from '../src/pool-link.ts'
import type { PostgresStore } from '../src/postgres-store.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'
import { openStore } from './support/stores.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
after(() => server?.[Symbol.asyncDispose]())

const worker = { id: 'w', queue: 'work', name: 'w', leaseMs: 30_000, layers: [] }

/** What a call of the store answers that is made while somebody else begins to wait for the task `a`, which runs. */
async function besideWatch<Answer>(
  call: (store: PostgresStore, epoch: number) => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly status: string | undefined }> {
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
  let over = false
  const called = call(store, row.epoch).finally(() => (over = true))
  const waiting = `SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`
  while (!over && (await pool.query(waiting, [schema])).rows.length === 0);
  await reader.query('COMMIT')
  reader.release()
  const answer = await called
  const [after] = await store.get('work', ['a'])
  await store.close()
  await pool.end()
  return { answer, status: after?.status }
}

test(
  'a failure is settled although somebody begins to wait for the task just then',
  { skip },
  async () => {
    const error = { name: 'Error', message: 'e' }
    const outcome = { type: 'failed', retryInMs: 0, error } as const
    const { answer, status } = await besideWatch((store, epoch) =>
      store.settle(worker, [{ id: 'a', epoch, outcome }]),
    )
    assert.deepEqual([answer, status], [['applied'], 'failed'])
  },
)

test(
  'a worker that leaves gives its task back although somebody begins to wait for it just then',
  { skip },
  async () => {
    assert.equal((await besideWatch((store) => store.leave(worker))).status, 'pending')
  },
)
