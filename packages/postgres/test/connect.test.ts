import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { isBackendError, OptionError, WorkerBuilder } from '@apalis/core'
import { Client, Pool } from 'pg'
import { type PostgresConnection, PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const url = server?.url ?? ''
after(() => server?.[Symbol.asyncDispose]())

/** Pushes a task from one storage and runs it on another over the same connection. */
async function works(connection: string | PostgresConnection): Promise<void> {
  const schema = freshSchema()
  const producer = await PostgresStorage.connect(connection, { schema })
  const consumer = await PostgresStorage.connect(connection, { schema })
  const tasks = consumer.queue<string, string>('mail')
  const ran: string[] = []
  const worker = new WorkerBuilder('w')
    .backend(tasks)
    .onEvent(({ type }, context) => {
      if (type === 'idle' && ran.length === 0) void producer.queue<string>('mail').push('a')
      if (type === 'success') context.stop()
    })
    .build((args) => {
      ran.push(args)
      return args
    })
  await worker.run()
  assert.deepEqual(ran, ['a'])
  assert.equal((await tasks.metrics()).done, 1)
  await producer.close()
  await consumer.close()
}

test('a URL', { skip }, () => works(url))

test('connections of its own bear its name, unless the URL has another', { skip }, async () => {
  assert.ok(server !== undefined)
  for (const name of ['apalis', 'of my own']) {
    // Nobody else is there.
    const way = new URL(await server.database())
    if (name !== 'apalis') way.searchParams.set('application_name', name)
    const storage = await PostgresStorage.connect(way, { schema: freshSchema() })
    const sql = `SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE datname = $1`
    assert.deepEqual(await server.query(sql, [way.pathname.slice(1)]), [{ name }])
    await storage.close()
  }
})

test('a pool of the caller, which stays open', { skip }, async () => {
  const pool = new Pool({ connectionString: url })
  await works(pool)
  assert.deepEqual((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  assert.equal(pool.idleCount, pool.totalCount)
  await pool.end()
})

test('a connection of the caller, which stays open', { skip }, async () => {
  const client = new Client({ connectionString: url })
  await client.connect()
  await works(client)
  assert.deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  await client.end()
})

test('PGlite, which stays open', async () => {
  const database = await PGlite.create()
  await works(database)
  assert.deepEqual((await database.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  await database.close()
})

test('what is no connection, or no URL of PostgreSQL, is refused by name', async () => {
  for (const connection of [undefined, null, {}, 7, 'mysql://x', 'file.db']) {
    await assert.rejects(
      // @ts-expect-error as JavaScript may
      PostgresStorage.connect(connection),
      (error) => error instanceof OptionError && /PostgresStorage connection/.test(error.message),
    )
  }
})

test('options that mean nothing are refused', async () => {
  // @ts-expect-error as JavaScript may
  await assert.rejects(PostgresStorage.connect('postgres://x', { listen: 'never' }), OptionError)
  // @ts-expect-error as JavaScript may
  await assert.rejects(PostgresStorage.connect('postgres://x', { migrate: 'yes' }), OptionError)
})

test('a server that is not there: transient, and surely nothing was done', async () => {
  await assert.rejects(
    PostgresStorage.connect('postgres://127.0.0.1:1/none'),
    (error) => isBackendError(error) && error.transient && error.applied === 'no',
  )
})
