import { Client, Pool } from 'pg'
import { PostgresStorage } from '../../../src/index.ts'

/** How a program of these tests connects. */
export interface Connection {
  readonly url: string
  readonly schema: string
  /** With a URL, with a pool of the caller's, or with a single connection of the caller's. */
  readonly over: 'url' | 'pool' | 'client'
  /** In milliseconds. */
  readonly lease: number
  /** How long workers without signals look again, in milliseconds. */
  readonly safetyPoll?: number
}

/** A storage, and what ends the connections that are the caller's own. */
export interface Connected {
  readonly storage: PostgresStorage
  readonly end: () => Promise<void>
}

/** Connects as told. */
export async function connectAs({
  url,
  schema,
  over,
  lease,
  safetyPoll = 5_000,
}: Connection): Promise<Connected> {
  const options = { schema, lease, safetyPoll, migrate: false }
  if (over === 'url') {
    const storage = await PostgresStorage.connect(url, options)
    return { storage, end: async () => {} }
  }
  if (over === 'pool') {
    const pool = new Pool({ connectionString: url })
    // As every user of a pool has to.
    pool.on('error', () => {})
    return { storage: await PostgresStorage.connect(pool, options), end: () => pool.end() }
  }
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return { storage: await PostgresStorage.connect(client, options), end: () => client.end() }
}
