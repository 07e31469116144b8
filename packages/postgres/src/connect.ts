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
  if (typeof given?.query !== 'function') throw notOne(connection)
  if (isPool(connection)) return new PoolLink(connection)
  if (isInProcess(connection)) return new InProcessLink(connection)
  if (!('on' in connection)) throw notOne(connection)
  return new ClientLink(connection)
}

/** Whether it is a pool that never has more than one connection, as far as it says. */
export function isPoolOfOne(connection: string | URL | PostgresConnection): boolean {
  if (typeof connection !== 'object' || connection === null || !('options' in connection)) {
    return false
  }
  const { options }: { readonly options: unknown } = connection
  return typeof options === 'object' && options !== null && 'max' in options && options.max === 1
}

function notOne(connection: unknown): OptionError {
  return new OptionError(
    'PostgresStorage connection',
    connection,
    'a URL, a pool or client of pg, or PGlite',
  )
}

async function openPool(
  url: string,
  timeoutMs: number,
): Promise<PostgresPool & { end(): Promise<void> }> {
  if (!/^postgres(?:ql)?:\/\//i.test(url)) {
    const shown = withoutSecrets(url)
    throw new OptionError('PostgresStorage connection', shown, 'a URL that begins with postgres://')
  }
  const { default: pg } = await loadPg()
  checkUrl(pg, url)
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

/** Errors are logged. */
function withoutSecrets(url: string): string {
  return url
    .replace(/^([a-z][\w+.-]*:\/\/)?.*@/is, '$1***@')
    .replaceAll(/([?&]password=)[^&]*/gi, '$1***')
}

/** A pool would say what is wrong with its URL at each connection, as if that might change. */
function checkUrl({ Client }: Pick<typeof Pg, 'Client'>, url: string): void {
  try {
    // It reads the URL, and connects only when it is told to.
    void new Client({ connectionString: url })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new BackendError('connect', `the URL is none that pg can use: ${why}`, {
      transient: false,
      applied: 'no',
      cause: error,
    })
  }
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
