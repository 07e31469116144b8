import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBackendError, isEncodeError, OptionError, type Queue } from '@apalis/core'
import { Client } from 'pg'
import createPostgresJs from 'postgres'
import { PostgresStorage, type PostgresTransaction } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPgbouncer } from './support/pgbouncer.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const url = server?.url ?? ''
const schema = freshSchema()
let storage: PostgresStorage
let client: Client
before(async () => {
  if (server === undefined) return
  storage = await PostgresStorage.connect(url, { schema })
  client = new Client({ connectionString: url })
  await client.connect()
})
after(async () => {
  await storage?.close()
  await client?.end()
  await server?.[Symbol.asyncDispose]()
})

let made = 0

/** A queue that nobody has used. */
function freshQueue(): Queue<string, string, unknown, PostgresTransaction> {
  made += 1
  return storage.queue<string>(`queue ${made}`)
}

async function assertRefused(push: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(push, (error) => {
    assert.ok(error instanceof OptionError, String(error))
    assert.match(error.message, why)
    return true
  })
}

async function pending(tasks: { metrics(): Promise<{ pending: number }> }): Promise<number> {
  return (await tasks.metrics()).pending
}

test('a connection on which nobody began is refused, and nothing is stored', { skip }, async () => {
  const tasks = freshQueue()
  await assertRefused(tasks.within(client).push('a'), /within\(tx\): .*; none is open, got /)
  const { rows } = await client.query(`SELECT FROM ${schema}.queue WHERE name = $1`, [tasks.name])
  assert.deepEqual(rows, [])
  await tasks.push('b')
  await assertRefused(tasks.within(client).push('c'), /none is open/)
  assert.equal(await pending(tasks), 1)
})

test(
  'a stricter transaction leaves the name of a new queue to the next, which stores it by itself',
  { skip },
  async () => {
    const tasks = freshQueue()
    const name = async (): Promise<unknown> =>
      server?.query(`SELECT name FROM ${schema}.queue WHERE name = $1`, [tasks.name])
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
    await tasks.within(client).push('a')
    await client.query('ROLLBACK')
    assert.deepEqual(await name(), [])
    await client.query('BEGIN')
    await tasks.within(client).push('b')
    // Otherwise whoever pushes to it now would wait for the transaction.
    assert.deepEqual(await name(), [{ name: tasks.name }])
    await client.query('ROLLBACK')
  },
)

test('a transaction that has ended by the time of the push is refused', { skip }, async () => {
  const tasks = freshQueue()
  await client.query('BEGIN')
  await tasks.within(client).push('a')
  let ended = false
  const late = {
    async query(text: string, values: unknown[] = []) {
      if (!ended) await client.query('COMMIT')
      ended = true
      return client.query(text, values)
    },
  }
  await assertRefused(tasks.within(late).push('b'), /none is open/)
  assert.equal(await pending(tasks), 1)
})

test('what is no transaction is refused, whatever it is', { skip }, async () => {
  const tasks = freshQueue()
  const wrong = [7, 'BEGIN', null, {}, [], { query: 'SELECT 1' }, { execute: () => {} }, () => {}]
  for (const tx of [...wrong, { unsafe: async () => [] }, { executeQuery: async () => {} }]) {
    await assertRefused(tasks.within(tx as never).push('a'), /an open transaction of pg, PGlite/)
  }
  assert.throws(() => tasks.within(undefined as never), OptionError)
})

test('in any isolation the caller likes, in queues that it has seen or not', { skip }, async () => {
  for (const isolation of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
    const queues = [freshQueue(), freshQueue(), freshQueue()]
    await queues[0]?.push('before')
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
    await client.query('SELECT 1')
    for (const tasks of queues) {
      await tasks.within(client).push('a')
      await tasks.within(client).push('b', { unique: 'key' })
    }
    await client.query('COMMIT')
    assert.deepEqual(await Promise.all(queues.map(pending)), [3, 2, 2])
  }
})

test(
  'what is found out before anything is sent leaves the transaction as it is',
  {
    skip,
  },
  async () => {
    const tasks = freshQueue()
    await client.query('BEGIN')
    await assert.rejects(tasks.within(client).push(1n as never), isEncodeError)
    await assert.rejects(tasks.within(client).push('a', { attempts: 0 }), OptionError)
    await tasks.within(client).push('b')
    await client.query('COMMIT')
    assert.equal(await pending(tasks), 1)
  },
)

test(
  'an error of the server ends what the transaction can do, as after any statement',
  {
    skip,
  },
  async () => {
    const tasks = freshQueue()
    await client.query('BEGIN')
    await tasks.within(client).push('a')
    await client.query('SAVEPOINT here')
    await assert.rejects(client.query('SELECT 1 / 0'), /division by zero/)
    await assert.rejects(tasks.within(client).push('b'), (error) => {
      assert.ok(isBackendError(error), String(error))
      assert.deepEqual([error.transient, error.applied], [false, 'no'])
      assert.match(error.message, /current transaction is aborted/)
      return true
    })
    await client.query('ROLLBACK TO here')
    await tasks.within(client).push('c')
    await client.query('COMMIT')
    assert.equal(await pending(tasks), 2)
  },
)

const bouncer = findPgbouncer()

test('behind PgBouncer in transaction mode', { skip: skip ?? bouncer.missing }, async () => {
  assert.ok(server !== undefined && bouncer.open !== undefined)
  await using pgbouncer = await bouncer.open(server)
  const through = pgbouncer.through(url)
  const tasks = freshQueue()
  const pg = new Client({ connectionString: through })
  await pg.connect()
  await assertRefused(tasks.within(pg).push('a'), /none is open/)
  await pg.query('BEGIN')
  await tasks.within(pg).push('b')
  await pg.query('COMMIT')
  await pg.end()
  const sql = createPostgresJs(through, { prepare: false, onnotice: () => {} })
  for (let round = 0; round < 3; round += 1) {
    await sql.begin((tx) => tasks.within(tx).pushBulk(['c', 'd']))
  }
  await sql.end()
  assert.equal(await pending(tasks), 7)
})
