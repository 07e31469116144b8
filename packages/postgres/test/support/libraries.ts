import { PGlite } from '@electric-sql/pglite'
import { drizzle as drizzleOnPg } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOnPglite } from 'drizzle-orm/pglite'
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import createKnex from 'knex'
import { CamelCasePlugin, Kysely, ParseJSONResultsPlugin, PostgresDialect } from 'kysely'
import { Pool, type PoolClient } from 'pg'
import createPostgresJs from 'postgres'
import type { PostgresConnection, PostgresTransaction } from '../../src/index.ts'
import { fromKnex } from './place-order.ts'

/** A library as its users have it: with its own way into a transaction, out of it, and into a savepoint. */
export interface Library extends AsyncDisposable {
  /** What a storage on the same database is connected with. */
  readonly connection: string | PostgresConnection
  /** What its users may take for a transaction. */
  readonly database: unknown
  /** Commits when `work` settles, and rolls back when it rejects. */
  transaction<Value>(work: (tx: Transaction) => Promise<Value>): Promise<Value>
}

/** A transaction of a library's. */
export interface Transaction {
  /** What a queue gets. */
  readonly tx: PostgresTransaction
  /** A statement of the caller's own, without values. */
  readonly run: (sql: string) => Promise<unknown>
}

/** By name, each opened on a database of a server; those that are in this process need none. */
export const libraries: Readonly<
  Record<string, { readonly open: (url: string) => Promise<Library>; readonly inProcess?: true }>
> = {
  pg: { open: async (url) => onPg(url) },
  'postgres.js': { open: async (url) => onPostgresJs(url) },
  'Drizzle on pg': { open: async (url) => onDrizzlePg(url) },
  'Drizzle on postgres.js': { open: async (url) => onDrizzlePostgresJs(url) },
  Kysely: { open: async (url) => onKysely(url) },
  Knex: { open: async (url) => onKnex(url) },
  PGlite: { open: onPglite, inProcess: true },
  'Drizzle on PGlite': { open: onDrizzlePglite, inProcess: true },
}

function onPg(url: string): Library {
  const database = new Pool({ connectionString: url })
  return {
    connection: url,
    database,
    async transaction(work) {
      const tx = await database.connect()
      try {
        return await between(tx, () => work({ tx, run: (sql) => tx.query(sql) }))
      } finally {
        tx.release()
      }
    },
    [Symbol.asyncDispose]: () => database.end(),
  }
}

async function between<Value>(client: PoolClient, work: () => Promise<Value>): Promise<Value> {
  await client.query('BEGIN')
  try {
    const value = await work()
    await client.query('COMMIT')
    return value
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

function onPostgresJs(url: string): Library {
  // As behind a pooler: without what it asks of the server about types, and without prepared statements.
  const database = createPostgresJs(url, {
    fetch_types: false,
    prepare: false,
    transform: createPostgresJs.pascal,
    onnotice: () => {},
  })
  return {
    connection: url,
    database,
    async transaction(work) {
      // Its types unwrap arrays of promises; ours is one value.
      const { value } = await database.begin(async (tx) => ({
        value: await work({ tx, run: async (sql) => tx.unsafe(sql) }),
      }))
      return value
    },
    [Symbol.asyncDispose]: () => database.end(),
  }
}

function onDrizzlePg(url: string): Library {
  const pool = new Pool({ connectionString: url })
  const database = drizzleOnPg(pool)
  return {
    connection: url,
    database,
    transaction: (work) =>
      database.transaction((tx) => work({ tx, run: async (sql) => tx.execute(sql) })),
    [Symbol.asyncDispose]: () => pool.end(),
  }
}

function onDrizzlePostgresJs(url: string): Library {
  const client = createPostgresJs(url, { onnotice: () => {} })
  const database = drizzleOnPostgresJs(client)
  return {
    connection: url,
    database,
    transaction: (work) =>
      database.transaction((tx) => work({ tx, run: async (sql) => tx.execute(sql) })),
    [Symbol.asyncDispose]: () => client.end(),
  }
}

function onKysely(url: string): Library {
  const database = new Kysely<object>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }),
    plugins: [new CamelCasePlugin(), new ParseJSONResultsPlugin()],
  })
  const plain = (sql: string): object => ({ sql, parameters: [], query: { kind: 'RawNode' } })
  return {
    connection: url,
    database,
    transaction: (work) =>
      database
        .transaction()
        .execute((tx) =>
          work({ tx, run: (sql) => tx.withoutPlugins().executeQuery(plain(sql) as never) }),
        ),
    [Symbol.asyncDispose]: () => database.destroy(),
  }
}

function onKnex(url: string): Library {
  const database = createKnex({ client: 'pg', connection: url })
  return {
    connection: url,
    database,
    transaction: (work) =>
      database.transaction((trx) => work({ tx: fromKnex(trx), run: async (sql) => trx.raw(sql) })),
    [Symbol.asyncDispose]: () => database.destroy(),
  }
}

let shared: Promise<PGlite> | undefined

/** One for all tests of a file: it takes a second to come up. */
function inThisProcess(): Promise<PGlite> {
  shared ??= PGlite.create()
  return shared
}

async function onPglite(): Promise<Library> {
  const database = await inThisProcess()
  return {
    connection: database,
    database,
    transaction: (work) => database.transaction((tx) => work({ tx, run: (sql) => tx.query(sql) })),
    [Symbol.asyncDispose]: async () => {},
  }
}

async function onDrizzlePglite(): Promise<Library> {
  const client = await inThisProcess()
  const database = drizzleOnPglite(client)
  return {
    connection: client,
    database,
    transaction: (work) =>
      database.transaction((tx) => work({ tx, run: async (sql) => tx.execute(sql) })),
    [Symbol.asyncDispose]: async () => {},
  }
}
