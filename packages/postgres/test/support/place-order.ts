import type { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import type { Knex } from 'knex'
import type { Kysely } from 'kysely'
import type { Pool } from 'pg'
import type { Sql } from 'postgres'
import type { Queue } from '@apalis/core'
import type { PostgresTransaction } from '../../src/index.ts'

// What the document on PostgreSQL quotes: an order and the task to write its receipt, both or neither.

/** A row of the table `orders`. */
export interface Order {
  readonly id: number
  readonly cents: number
}

/** Where the tasks go. */
export type Receipts = Queue<{ order: number }, { order: number }, unknown, PostgresTransaction>

export async function inPg(pool: Pool, receipts: Receipts, order: Order): Promise<void> {
  // #region pg
  const tx = await pool.connect()
  try {
    await tx.query('BEGIN')
    await tx.query('INSERT INTO orders (id, cents) VALUES ($1, $2)', [order.id, order.cents])
    await receipts.within(tx).push({ order: order.id })
    await tx.query('COMMIT')
  } catch (error) {
    await tx.query('ROLLBACK')
    throw error
  } finally {
    tx.release()
  }
  // #endregion
}

export async function inPostgresJs(sql: Sql, receipts: Receipts, order: Order): Promise<void> {
  // #region postgres-js
  await sql.begin(async (tx) => {
    await tx`INSERT INTO orders (id, cents) VALUES (${order.id}, ${order.cents})`
    await receipts.within(tx).push({ order: order.id })
  })
  // #endregion
}

const orders = pgTable('orders', { id: integer().primaryKey(), cents: integer() })

export async function inDrizzle(
  db: ReturnType<typeof drizzle>,
  receipts: Receipts,
  order: Order,
): Promise<void> {
  // #region drizzle
  await db.transaction(async (tx) => {
    await tx.insert(orders).values(order)
    await receipts.within(tx).push({ order: order.id })
  })
  // #endregion
}

export async function inKysely(
  db: Kysely<{ orders: Order }>,
  receipts: Receipts,
  order: Order,
): Promise<void> {
  // #region kysely
  await db.transaction().execute(async (tx) => {
    await tx.insertInto('orders').values(order).execute()
    await receipts.within(tx).push({ order: order.id })
  })
  // #endregion
}

// #region knex
export function fromKnex(tx: Knex.Transaction): PostgresTransaction {
  return { query: (text, values = []) => tx.raw(text.replaceAll(/\$\d+/g, '?'), values) }
}
// #endregion

export async function inKnex(knex: Knex, receipts: Receipts, order: Order): Promise<void> {
  // #region knex-use
  await knex.transaction(async (tx) => {
    await tx('orders').insert(order)
    await receipts.within(fromKnex(tx)).push({ order: order.id })
  })
  // #endregion
}

/** `Prisma.TransactionClient`, as far as it is needed: a client of Prisma is made by programs that do not come from the registry. */
interface PrismaTransaction {
  $queryRawUnsafe<Answer = unknown>(text: string, ...values: unknown[]): Promise<Answer>
}

/** A namespace as a client of Prisma has it. */
declare namespace Prisma {
  export type TransactionClient = PrismaTransaction
}

// #region prisma
export function fromPrisma(tx: Prisma.TransactionClient): PostgresTransaction {
  return { query: (text, values = []) => tx.$queryRawUnsafe<unknown[]>(text, ...values) }
}
// #endregion
