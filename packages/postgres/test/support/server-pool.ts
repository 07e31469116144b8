import { after } from 'node:test'
import { Pool } from 'pg'
import { findPostgres, type PostgresServer } from './server.ts'

/** A server for the tests of a file, and a pool of connections to it. Without a server the tests are skipped. */
export interface ServerPool {
  /** Why there is none. */
  readonly skip: string | undefined
  readonly server: PostgresServer | undefined
  readonly pool: Pool
}

/** Both end after the tests of the file. */
export async function openServerPool(): Promise<ServerPool> {
  const { open, missing } = findPostgres()
  const server = await open?.()
  const pool = new Pool({ connectionString: server?.url ?? 'postgres://nowhere', max: 4 })
  // It may be told of the server's end after its own.
  pool.on('error', () => {})
  after(async () => {
    await pool.end()
    await server?.[Symbol.asyncDispose]()
  })
  return { skip: missing, server, pool }
}
