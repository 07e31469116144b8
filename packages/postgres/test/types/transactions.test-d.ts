import type { PGlite, Transaction as PgliteTransaction } from '@electric-sql/pglite'
import type { drizzle as drizzleOnPg } from 'drizzle-orm/node-postgres'
import type { drizzle as drizzleOnPglite } from 'drizzle-orm/pglite'
import type { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import type { Knex } from 'knex'
import type { ControlledTransaction, Kysely, Transaction } from 'kysely'
import type { Client, Pool, PoolClient } from 'pg'
import type { Sql, TransactionSql } from 'postgres'
import type { Queue } from '@apalis/core'
import type { PostgresTransaction } from '../../src/index.ts'

declare const tasks: Queue<string, string, unknown, PostgresTransaction>

// A connection of pg, whoever began on it.
declare const client: Client
declare const poolClient: PoolClient
tasks.within(client)
tasks.within(poolClient)
declare const pool: Pool
// @ts-expect-error: a pool has many connections
tasks.within(pool)

declare const pgliteTransaction: PgliteTransaction
tasks.within(pgliteTransaction)
declare const pglite: PGlite
// @ts-expect-error: the database is no transaction
tasks.within(pglite)

declare const sqlTransaction: TransactionSql
tasks.within(sqlTransaction)
declare const typedSqlTransaction: TransactionSql<{ point: { x: number } }>
tasks.within(typedSqlTransaction)
declare const sql: Sql
// @ts-expect-error: the database is no transaction
tasks.within(sql)

interface Tables {
  orders: { id: number }
}
declare const kyselyTransaction: Transaction<Tables>
tasks.within(kyselyTransaction)
declare const controlled: ControlledTransaction<Tables>
tasks.within(controlled)
declare const kysely: Kysely<Tables>
// @ts-expect-error: the database is no transaction
tasks.within(kysely)

type InDrizzle<Database extends { transaction(run: never): unknown }> = Parameters<
  Database['transaction']
>[0] extends (tx: infer Tx) => unknown
  ? Tx
  : never
type OnPg = ReturnType<typeof drizzleOnPg>
type OnPostgresJs = ReturnType<typeof drizzleOnPostgresJs>
type OnPglite = ReturnType<typeof drizzleOnPglite>
declare const drizzlePg: OnPg
declare const drizzlePostgresJs: OnPostgresJs
declare const drizzlePglite: OnPglite
tasks.within(null as unknown as InDrizzle<OnPg>)
tasks.within(null as unknown as InDrizzle<OnPostgresJs>)
tasks.within(null as unknown as InDrizzle<OnPglite>)
// @ts-expect-error: the database is no transaction
tasks.within(drizzlePg)
// @ts-expect-error: the database is no transaction
tasks.within(drizzlePostgresJs)
// @ts-expect-error: the database is no transaction
tasks.within(drizzlePglite)

// What another library needs is an object of one's own.
declare const knexTransaction: Knex.Transaction
tasks.within({ query: (text, values = []) => knexTransaction.raw(text, values) })
// @ts-expect-error: Knex writes parameters in another way
tasks.within(knexTransaction)

// @ts-expect-error: a number is no transaction
tasks.within(7)
// @ts-expect-error: nor is nothing
tasks.within(null)
// @ts-expect-error: nor is nothing at all
tasks.within()
// @ts-expect-error: it has to take the text of a statement
tasks.within({ query: (text: number) => Promise.resolve({ rows: [text] }) })
