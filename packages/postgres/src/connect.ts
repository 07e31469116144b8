import { BackendError, OptionError } from '@apalis/core'
import type * as Pg from 'pg'
import { isInProcess, isPool, type PostgresConnection, type PostgresPool } from './client.ts'
import { ClientLink, InProcessLink } from './client-link.ts'
import type { Link } from './link.ts'
import { PoolLink } from './pool-link.ts'

/** So many connections serve any number of queues and workers. */
const CONNECTIONS = 4

/** The way to the server over what the caller gave: a URL makes a pool of the storage's own. */
export async function openLink(
  connection: string | URL | PostgresConnection,
  timeoutMs: number,
): Promise<Link> {
  if (typeof connection === 'string' || connection instanceof URL) {
    const pool = await openPool(String(connection), timeoutMs)
    return new PoolLink(pool, () => pool.end())
  }
  // Typed as a connection, but JavaScript passes anything.
  const given: { readonly query?: unknown } | null = connection
  if (typeof given?.query !== 'function') {
    throw new OptionError(
      'PostgresStorage connection',
      connection,
      'a URL, a pool or client of pg, or PGlite',
    )
  }
  if (isPool(connection)) return new PoolLink(connection)
  return isInProcess(connection) ? new InProcessLink(connection) : new ClientLink(connection)
}

async function openPool(
  url: string,
  timeoutMs: number,
): Promise<PostgresPool & { end(): Promise<void> }> {
  if (!/^postgres(?:ql)?:\/\//.test(url)) {
    throw new OptionError('PostgresStorage connection', url, 'a URL that begins with postgres://')
  }
  const { default: pg } = await loadPg()
  return new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    // The URL may say otherwise.
    application_name: 'apalis',
    // What has nothing to do keeps no process alive: who listens or works has timers of its own.
    allowExitOnIdle: true,
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
  })
}

async function loadPg(): Promise<typeof Pg> {
  try {
    return await import('pg')
  } catch (error) {
    throw new BackendError('connect', 'a URL needs the package pg: npm install pg', {
      transient: false,
      applied: 'no',
      cause: error,
    })
  }
}
