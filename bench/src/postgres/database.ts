import { Client } from 'pg'

/** The variable with the URL of the server on which databases are made. */
export const SERVER = 'APALIS_BENCH_POSTGRES'

/** A database of its own. */
export interface Database {
  readonly url: string
  readonly query: (
    sql: string,
    values?: readonly unknown[],
  ) => Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Writes what the server still owes the disk, so that nobody pays for what was before. */
  readonly checkpoint: () => Promise<unknown>
}

/** Works with a database of its own, which is gone afterwards. */
export async function withDatabase<Result>(
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const server = process.env[SERVER]
  if (server === undefined) throw new Error(`${SERVER} is not set`)
  const name = `bench_${process.pid}_${Date.now()}`
  const url = new URL(server)
  url.pathname = name
  await query(server, `CREATE DATABASE ${name}`)
  const result = await work({
    url: url.href,
    query: (sql, values = []) => query(url.href, sql, values),
    checkpoint: () => query(url.href, 'CHECKPOINT'),
  })
  // Not by force: a pool that says that it has ended may have connections for a moment, and the server waits for them.
  await query(server, `DROP DATABASE ${name}`)
  return result
}

async function query(
  connectionString: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql, [...values])
    return rows
  } finally {
    await client.end()
  }
}
