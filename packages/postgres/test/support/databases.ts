import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import type { PostgresServer } from './server.ts'

/** The databases of one test file on a server, reached as whoever `url` names. */
export class Databases {
  readonly #url: string
  readonly #names: string[]

  /** `names` are there already. */
  constructor(url: string, names: readonly string[] = []) {
    this.#url = url
    this.#names = [...names]
  }

  /** The first of them is the file's. */
  asServer(version: number): Omit<PostgresServer, typeof Symbol.asyncDispose> {
    const url = this.#urlOf(this.#names[0] ?? '')
    return {
      url,
      version,
      database: (how) => this.create(how),
      query: (sql, values = []) => query(url, sql, values),
      terminate: (name) => this.terminate(name),
    }
  }

  async version(): Promise<number> {
    const sql = `SELECT current_setting('server_version_num')::int AS version`
    const [row] = await query(this.#url, sql)
    return Number(row?.['version'])
  }

  /** Makes one, empty; gives back its URL. `how`: what else `CREATE DATABASE` takes. */
  async create(how = ''): Promise<string> {
    const name = `apalis_test_${randomBytes(8).toString('hex')}`
    await query(this.#url, `CREATE DATABASE ${name} ${how}`)
    this.#names.push(name)
    return this.#urlOf(name)
  }

  async terminate(name: string): Promise<number> {
    const ended = await query(
      this.#url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = ANY($1) AND $2::text IN (application_name, usename)
          AND pid <> pg_backend_pid()`,
      [this.#names, name],
    )
    return ended.length
  }

  async drop(): Promise<void> {
    for (const name of this.#names.splice(0)) {
      // A pool that says that it has ended may have connections for a moment: the server waits some seconds for them.
      await query(this.#url, `DROP DATABASE ${name}`).catch(() =>
        query(this.#url, `DROP DATABASE ${name} WITH (FORCE)`),
      )
    }
  }

  #urlOf(name: string): string {
    const url = new URL(this.#url)
    url.pathname = name
    return url.href
  }
}

/** Runs one statement over a connection of its own. */
async function query(
  url: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString: url, application_name: 'apalis test support' })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql, [...values])
    return rows
  } finally {
    await client.end()
  }
}
