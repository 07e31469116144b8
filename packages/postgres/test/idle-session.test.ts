// A server that ends connections which are idle: whoever listens is.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { WorkerBuilder } from '@apalis/core'
import { Client, Pool, type PoolConfig } from 'pg'
import { PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const server = await found.open?.()
const skip =
  found.missing ?? ((server?.version ?? 0) < 140_000 ? 'it ends none before 14' : undefined)
after(() => server?.[Symbol.asyncDispose]())

function connection(idle: string): PoolConfig {
  return { connectionString: server?.url, options: `-c idle_session_timeout=${idle}` }
}

/** Runs a worker, and what is given while it is idle. */
async function whileIdle(storage: PostgresStorage, then: () => Promise<void>): Promise<void> {
  const idle = Promise.withResolvers<void>()
  const worker = new WorkerBuilder('w')
    .backend(storage.queue<string>('mail'))
    .onEvent(({ type }) => {
      if (type === 'idle') idle.resolve()
    })
    .build(() => {})
  const ended = worker.run()
  await idle.promise
  await then().finally(() => worker.context.stop())
  await ended
}

test('the connection that listens is not ended for being idle', { skip }, async () => {
  assert.ok(server !== undefined)
  const name = freshSchema()
  const pool = new Pool({ ...connection('300ms'), application_name: name })
  await using _ = { [Symbol.asyncDispose]: () => pool.end() }
  await using storage = await PostgresStorage.connect(pool, { schema: name })
  const connections = async (): Promise<readonly unknown[]> => {
    const sql = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1'
    return ((await server?.query(sql, [name])) ?? []).map(({ pid }) => pid)
  }
  await whileIdle(storage, async () => {
    const before = await connections()
    // Idle for less long.
    const other = new Client(connection('300ms'))
    const ended = new Promise<Error>((resolve) => other.on('error', resolve))
    await other.connect()
    assert.match((await ended).message, /idle-session timeout/)
    const left = await connections()
    assert.equal(before.filter((pid) => left.includes(pid)).length, 1)
  })
})

test('and goes back to its pool as it was', { skip }, async () => {
  const pool = new Pool(connection('10min'))
  const storage = await PostgresStorage.connect(pool, { schema: freshSchema() })
  await whileIdle(storage, async () => {})
  await storage.close()
  assert.equal(pool.idleCount, pool.totalCount)
  const clients = await Promise.all(Array.from({ length: pool.totalCount }, () => pool.connect()))
  for (const client of clients) {
    const { rows } = await client.query('SHOW idle_session_timeout')
    assert.deepEqual(rows, [{ idle_session_timeout: '10min' }])
    client.release()
  }
  await pool.end()
})
