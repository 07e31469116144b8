import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { OptionError, type Queue } from '@apalis/core'
import { drizzle as drizzleOnPg } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import createPostgresJs from 'postgres'
import { PostgresStorage, type PostgresTransaction } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const url = server?.url ?? ''
after(() => server?.[Symbol.asyncDispose]())

type Tasks = Queue<string, string, unknown, PostgresTransaction>

class Undone extends Error {}

/** Pushes "a" in a transaction, "b" in a savepoint of it that is undone, and "c" in one that is not. */
async function assertKept(work: (tasks: Tasks) => Promise<unknown>): Promise<void> {
  const storage = await PostgresStorage.connect(url, { schema: freshSchema() })
  const tasks = storage.queue<string>('mail')
  await work(tasks)
  const stored = await tasks.listTasks()
  assert.deepEqual(
    stored.map((task) => 'args' in task && task.args),
    ['a', 'c'],
  )
  await storage.close()
}

async function undone(savepoint: Promise<unknown>): Promise<void> {
  await assert.rejects(savepoint, Undone)
}

test('postgres.js: a savepoint is a transaction too', { skip }, async () => {
  const sql = createPostgresJs(url)
  await assertKept((tasks) =>
    sql.begin(async (tx) => {
      await tasks.within(tx).push('a')
      await undone(
        tx.savepoint(async (inner) => {
          await tasks.within(inner).push('b')
          throw new Undone()
        }),
      )
      await tx.savepoint((inner) => tasks.within(inner).pushBulk(['c']))
    }),
  )
  await sql.end()
})

/** A database of Drizzle, or a transaction of one. */
interface InDrizzle {
  transaction(work: (tx: InDrizzle & PostgresTransaction) => Promise<void>): Promise<void>
}

function assertKeptInDrizzle(db: InDrizzle): Promise<void> {
  return assertKept((tasks) =>
    db.transaction(async (tx) => {
      await tasks.within(tx).push('a')
      await undone(
        tx.transaction(async (inner) => {
          await tasks.within(inner).push('b')
          throw new Undone()
        }),
      )
      await tx.transaction(async (inner) => {
        await tasks.within(inner).push('c')
      })
    }),
  )
}

test('Drizzle: a transaction inside one is a transaction too', { skip }, async () => {
  const pool = new Pool({ connectionString: url })
  await assertKeptInDrizzle(drizzleOnPg(pool))
  await pool.end()
})

test(
  'Drizzle on postgres.js: a transaction inside one is a transaction too',
  { skip },
  async () => {
    const sql = createPostgresJs(url)
    await assertKeptInDrizzle(drizzleOnPostgresJs(sql))
    await sql.end()
  },
)

test('Kysely: a transaction that is committed by hand, with savepoints', { skip }, async () => {
  const dialect = new PostgresDialect({ pool: new Pool({ connectionString: url }) })
  const db = new Kysely<object>({ dialect })
  await assertKept(async (tasks) => {
    const tx = await db.startTransaction().execute()
    await tasks.within(tx).push('a')
    const inner = await tx.savepoint('here').execute()
    await tasks.within(inner).push('b')
    const outer = await inner.rollbackToSavepoint('here').execute()
    await tasks.within(outer).push('c')
    await tx.commit().execute()
    await assert.rejects(
      tasks.within(tx).push('d'),
      (error) => error instanceof OptionError && /this one has ended/.test(error.message),
    )
  })
  await db.destroy()
})
