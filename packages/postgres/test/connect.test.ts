import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { isBackendError, OptionError, WorkerBuilder } from '@apalis/core'
import { Client, Pool, types } from 'pg'
import { type PostgresConnection, PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findOwnPostgres, findPostgres } from './support/server.ts'

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

test('a URL that cannot be used is refused for good, and no error shows its password', async () => {
  for (const way of [
    'postgresql+asyncpg://ada:s3cret@host/db',
    'mysql://ada:s3@cret@host/db?password=s3cret',
    'ada:s3cret@host/db',
    'postgres://ada:s3cret@127.0.0.1:port/db',
    'postgres://ada:s3cret@127.0.0.1:99999/db',
    'postgres://ada:s3#cret@127.0.0.1/db',
    'postgres://ada:s3cret@127.0.0.1/db?sslrootcert=/nowhere',
  ]) {
    await assert.rejects(PostgresStorage.connect(way), (error) => {
      assert.ok(error instanceof OptionError || (isBackendError(error) && !error.transient), way)
      assert.doesNotMatch(inspect(error), /s3/)
      return true
    })
  }
})

test('what only looks like a connection is refused by name', async () => {
  const connection = { query: () => Promise.resolve({ rows: [] }) }
  // @ts-expect-error as JavaScript may
  await assert.rejects(PostgresStorage.connect(connection), OptionError)
})

test('a pool of one connection, which nobody listens on', { skip }, async () => {
  const pool = new Pool({ connectionString: url, max: 1 })
  await assert.rejects(PostgresStorage.connect(pool, { listen: true }), OptionError)
  await works(pool)
  assert.deepEqual((await pool.query('SELECT pg_listening_channels()')).rows, [])
  await pool.end()
})

const raw = (text: string): string => text
const shapes: Readonly<Record<string, (oid: number) => ((text: string) => unknown) | undefined>> = {
  'as texts': () => raw,
  'with whole numbers as bigint': (oid) => ([20, 21, 23].includes(oid) ? BigInt : undefined),
  'with JSON as text': (oid) => ([114, 3802].includes(oid) ? raw : undefined),
}
for (const [name, parser] of Object.entries(shapes)) {
  test(`a pool that reads types in its own way: ${name}`, { skip }, async () => {
    const getTypeParser = (oid: number, format?: 'text' | 'binary'): unknown =>
      parser(oid) ?? types.getTypeParser(oid, format)
    const pool = new Pool({ connectionString: url, types: { getTypeParser } })
    await works(pool)
    const storage = await PostgresStorage.connect(pool, { schema: freshSchema() })
    const tasks = storage.queue<string>('mail')
    const id = await tasks.push('a')
    assert.equal(await tasks.kill(id), true)
    assert.equal(await tasks.vacuum({ status: 'killed', olderThan: 0 }), 1)
    await storage.close()
    await pool.end()
  })
}

test('options that mean nothing are refused, before there is a connection', async () => {
  const misspelt: {} = { shema: 'tasks' }
  await assert.rejects(
    PostgresStorage.connect('postgres://127.0.0.1:1/none', misspelt),
    (error) => {
      assert.ok(error instanceof OptionError, String(error))
      assert.match(
        error.message,
        /storage\.shema: .* schema, migrate, listen, clock,.* got "tasks"/,
      )
      return true
    },
  )
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

test('a client that nobody connected: the error asks for that', async () => {
  const client = new Client({ connectionString: 'postgres://127.0.0.1:1/none' })
  await assert.rejects(
    PostgresStorage.connect(client, { callTimeout: 20 }),
    (error) => isBackendError(error) && error.message.endsWith('was this client connected?'),
  )
})

const own = findOwnPostgres()
test(
  'a URL without the password that it takes: the error asks for that',
  {
    skip:
      skip ?? (own.missing === undefined ? undefined : 'a server that was given may ask for none'),
  },
  async () => {
    const way = new URL(url)
    way.password = ''
    await assert.rejects(
      PostgresStorage.connect(way),
      (error) => isBackendError(error) && /\(.* none was given\)$/.test(error.message),
    )
  },
)

test('whatever goes wrong before there is a connection, nothing was done', async () => {
  const pool = new Pool({ connectionString: 'postgres://127.0.0.1:1/none' })
  await pool.end()
  await assert.rejects(
    PostgresStorage.connect(pool),
    (error) => isBackendError(error) && error.transient && error.applied === 'no',
  )
})
