import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client, Pool } from 'pg'
import { TestClock } from '@apalis/core/testing'
import { PoolLink } from '../src/pool-link.ts'
import { findPostgres } from './support/server.ts'
import { openStore } from './support/stores.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const client = new Client({ connectionString: server?.url ?? '' })
const schema = 'plans'
const worker = { id: 'w', queue: 'work', name: 'w', leaseMs: 3_600_000, layers: [] }
const clock = new TestClock()
const quarter = 250_000

before(async () => {
  if (skip !== undefined) return
  await client.connect()
  const pool = new Pool({ connectionString: server?.url ?? '' })
  const store = await openStore(new PoolLink(pool, () => pool.end()), schema, clock)
  await store.register(worker)
  // Nothing may come to the aid of a planner that has never seen the rows.
  await client.query(`ALTER TABLE ${schema}.task SET (autovacuum_enabled = off)`)
  const now = clock.now()
  // A million rows: waiting, for their time, done and killed, a quarter each.
  await client.query(`INSERT INTO ${schema}.task
      (seq, run_at, created_at, due_at, finished_at, queue, attempts, priority, status, lane, key_held, id, unique_key, args)
    SELECT i, ${now}, ${now}, CASE WHEN i % 4 = 1 THEN ${now} + 3600000 + i END, CASE WHEN i % 4 > 1 THEN ${now} END, 1, 5, 0,
      CASE i % 4 WHEN 2 THEN 2 WHEN 3 THEN 4 ELSE 0 END, CASE WHEN i % 4 = 0 THEN 1 END,
      CASE WHEN i % 8 < 2 THEN true END, 'id ' || i, 'key ' || i, '{}'
    FROM generate_series(1, ${4 * quarter}) i`)
  await client.query(`INSERT INTO ${schema}.tally (queue, pending, done, killed, future)
    VALUES (1, ${2 * quarter}, ${quarter}, ${quarter}, ${quarter})`)
  await client.query(`INSERT INTO ${schema}.ended (at, queue, status, ids)
    SELECT ${now}, 1, 2, array_agg('id ' || (4 * i + 2)) FROM generate_series(1, 10000) i GROUP BY i / 100`)
  await store.close()
})

after(async () => {
  if (skip === undefined) await client.end()
  await server?.[Symbol.asyncDispose]()
})

/** What a call of a function reads of the tasks. */
async function readBy(
  call: string,
  values: readonly unknown[],
): Promise<{ answer: unknown; scans: number; rows: number }> {
  await client.query('BEGIN')
  const before = await read()
  const { rows } = await client.query<{ answer: unknown }>(`SELECT ${schema}.${call} AS answer`, [
    ...values,
  ])
  const after = await read()
  await client.query('COMMIT')
  return {
    answer: rows[0]?.answer,
    scans: after.scans - before.scans,
    rows: after.rows - before.rows,
  }
}

/** What this connection has read of the tasks, and not yet reported. */
async function read(): Promise<{ readonly scans: number; readonly rows: number }> {
  const { rows } = await client.query<{ scans: number; rows: number }>(
    `SELECT seq_scan::int AS scans, (seq_tup_read + idx_tup_fetch)::int AS rows
      FROM pg_stat_xact_user_tables WHERE relname = 'task' AND schemaname = '${schema}'`,
  )
  return rows[0] ?? { scans: 0, rows: 0 }
}

const exchange = 'exchange_1($1, $2, $3, $4, $5, $6, $7, $8, false, 0)'

/** Every way to the tasks that a worker, a producer or an administrator takes often, with the most rows it may touch. */
async function checkAll(t: {
  test(name: string, run: () => Promise<void>): Promise<void>
}): Promise<void> {
  const check = (
    name: string,
    most: number,
    call: string,
    values: readonly unknown[],
  ): Promise<void> =>
    t.test(name, async () => {
      const { scans, rows } = await readBy(call, values)
      assert.equal(scans, 0, 'a scan of the whole table')
      assert.ok(rows <= most, `${rows} rows were read, of ${most} at most`)
    })
  let ids: readonly string[] = []
  await t.test('a claim', async () => {
    const { answer, scans, rows } = await readBy(exchange, [
      'work',
      'w',
      null,
      null,
      null,
      null,
      100,
      1,
    ])
    // The answer of the function.
    const { claimed } = JSON.parse(String(answer)) as { claimed: { rows: [string][] } }
    ids = claimed.rows.map(([id]) => id)
    assert.equal(ids.length, 100)
    assert.equal(scans, 0)
    assert.ok(rows <= 300, `${rows} rows were read`)
  })
  const epochs = ids.map(() => 1)
  await check('a settle with a claim', 600, exchange, [
    'work',
    'w',
    ids,
    epochs,
    null,
    null,
    100,
    1,
  ])
  const failed = JSON.stringify(ids.map((id) => ({ id, epoch: 1, type: 3, ms: 5, error: {} })))
  await check('settles that come too late', 500, exchange, [
    'work',
    'w',
    null,
    null,
    null,
    failed,
    null,
    0,
  ])
  await check('a beat', 300, 'beat_1($1, $2, 0)', ['work', 'w'])
  const rest = JSON.stringify([{ uniqueKey: 'key 8' }, { uniqueKey: 'new' }, { delayMs: 5 }])
  await check('a push with keys', 20, 'insert_1($1, $2, $3, $4, 0::smallint, 5, false, null, 0)', [
    'work',
    ['a', 'b', 'c'].map((id) => id + ids[0]),
    ['1', '2', '3'],
    rest,
  ])
  await check(
    'a push of what is there',
    10,
    'insert_1($1, $2, $3, null, 0::smallint, 5, false, null, 0)',
    ['work', ['id 1', 'id 2'], ['1', '2']],
  )
  await check('reading', 10, 'get_1($1, $2)', ['work', ['id 1', 'id 2', 'nobody']])
  await check('counting', 10, 'count_1($1, 0)', ['work'])
  await check('a kill', 10, 'kill_1($1, $2, $3, 0)', ['work', 'id 400', '{}'])
  await check('a purge', 1_200, 'purge_1($1, 2::smallint, 0, 100, 0)', ['work'])
  await check('what has become due', 1_500, exchange.replace(', 0)', ', 3700000)'), [
    'work',
    'w',
    null,
    null,
    null,
    null,
    1,
    1,
  ])
  await check('a rescue', 2_000, 'rescue_1($1, 100, 3, $2, 7200001)', ['work', '{}'])
  await client.query(`SELECT ${schema}.register_1('work', 'w', 'w', '[]', 3600000, 0)`)
}

test('nothing reads more of a million tasks than it needs, without statistics', { skip }, (t) =>
  checkAll(t),
)

test('and with statistics', { skip }, async (t) => {
  await client.query(`VACUUM ANALYZE ${schema}.task`)
  await checkAll(t)
})
