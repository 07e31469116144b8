import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { drizzle } from 'drizzle-orm/node-postgres'
import createKnex from 'knex'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import createPostgresJs from 'postgres'
import { PostgresStorage } from '../src/index.ts'
import * as examples from './support/place-order.ts'
import type { Order, Receipts } from './support/place-order.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
after(() => server?.[Symbol.asyncDispose]())

type Place = (receipts: Receipts, order: Order) => Promise<unknown>

/** What the document shows, each with what it runs on. */
const libraries: Readonly<
  Record<string, (url: string) => { readonly place: Place; readonly end: () => Promise<void> }>
> = {
  pg(url) {
    const pool = new Pool({ connectionString: url })
    return {
      place: (receipts, order) => examples.inPg(pool, receipts, order),
      end: () => pool.end(),
    }
  },
  'postgres.js'(url) {
    const sql = createPostgresJs(url)
    return {
      place: (receipts, order) => examples.inPostgresJs(sql, receipts, order),
      end: () => sql.end(),
    }
  },
  Drizzle(url) {
    const pool = new Pool({ connectionString: url })
    const db = drizzle(pool)
    return {
      place: (receipts, order) => examples.inDrizzle(db, receipts, order),
      end: () => pool.end(),
    }
  },
  Kysely(url) {
    const dialect = new PostgresDialect({ pool: new Pool({ connectionString: url }) })
    const db = new Kysely<{ orders: Order }>({ dialect })
    return {
      place: (receipts, order) => examples.inKysely(db, receipts, order),
      end: () => db.destroy(),
    }
  },
  Knex(url) {
    const knex = createKnex({ client: 'pg', connection: url })
    return {
      place: (receipts, order) => examples.inKnex(knex, receipts, order),
      end: () => knex.destroy(),
    }
  },
  'the lines for Prisma'(url) {
    const pool = new Pool({ connectionString: url })
    return {
      async place(receipts, order) {
        const client = await pool.connect()
        // As Prisma answers: with the rows alone, of whatever statement.
        const tx = {
          $queryRawUnsafe: async <Answer>(text: string, ...values: unknown[]) =>
            (await client.query(text, values)).rows as Answer,
        }
        try {
          await client.query('BEGIN')
          await receipts.within(examples.fromPrisma(tx)).push({ order: order.id })
          await client.query(`INSERT INTO orders VALUES (${order.id}, ${order.cents})`)
          await client.query('COMMIT')
        } catch (error) {
          await client.query('ROLLBACK')
          throw error
        } finally {
          client.release()
        }
      },
      end: () => pool.end(),
    }
  },
}

/** A database with a table of the user's, and a storage in it as it comes. */
async function withOrders(run: (url: string, receipts: Receipts) => Promise<void>): Promise<void> {
  assert.ok(server !== undefined)
  const url = await server.database()
  const pool = new Pool({ connectionString: url, max: 1 })
  await pool.query('CREATE TABLE orders (id int PRIMARY KEY, cents int CHECK (cents > 0))')
  await pool.end()
  const storage = await PostgresStorage.connect(url)
  await run(url, storage.queue<{ order: number }>('receipts'))
  await storage.close()
}

for (const [name, open] of Object.entries(libraries)) {
  test(`${name}: an order and its task are both there or neither`, { skip }, () =>
    withOrders(async (url, receipts) => {
      const { place, end } = open(url)
      await place(receipts, { id: 1, cents: 1_200 })
      await assert.rejects(place(receipts, { id: 2, cents: -1 }))
      const tasks = await receipts.listTasks()
      assert.deepEqual(
        tasks.map((task) => 'args' in task && task.args),
        [{ order: 1 }],
      )
      await end()
    }),
  )
}

test('the trigger of the document', { skip }, () =>
  withOrders(async (url, receipts) => {
    const pool = new Pool({ connectionString: url })
    await pool.query(readFileSync(new URL('support/receipts.sql', import.meta.url), 'utf8'))
    await examples.inPg(pool, receipts, { id: 1, cents: 1 })
    const tasks = await receipts.listTasks()
    assert.deepEqual(
      tasks.map((task) => ['args' in task && task.args, task.parts.attempt.max]),
      [
        [{ order: 1 }, 3],
        [{ order: 1 }, 5],
      ],
    )
    await pool.end()
  }),
)
