import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ApalisError, BackendError, OptionError, sleep, systemClock } from '@apalis/core'
import { inTransaction, type SqliteConnect, type SqliteConnection } from './client.ts'
import { Database, type Synchronous } from './database.ts'
import { DatabaseFile, fileAt, isSameFile, logOf, mainFile } from './database-file.ts'
import { migrate } from './migrate.ts'
import { migrations } from './schema.ts'
import { isBusy, sqliteCode } from './sqlite-errors.ts'
import { Statements } from './statements.ts'
import { probes } from './probes.ts'

/** The path of a database that is no file. */
export const MEMORY = ':memory:'

/** How long SQLite itself may wait for a lock, in milliseconds: the event loop stands still meanwhile. */
const BUSY_MS = 5
/** The pause between tries to get at a file that others hold, in milliseconds. */
const RETRY_MS = 20

/** What {@link openDatabase} needs. */
export interface OpenDeps {
  /** Absolute, or `:memory:`. */
  readonly path: string
  readonly connect: SqliteConnect
  readonly synchronous: Synchronous
  readonly now: number
  /** How long to wait for a lock that others hold, in milliseconds. */
  readonly lockTimeoutMs: number
}

/** A log that was larger is cut to this when it begins anew, in bytes. */
const LARGEST_IDLE_LOG = 16 * 2 ** 20
const CACHE_KIB = 16_384

/** Opens a database and brings its schema up to date. Throws a `BackendError` that names the path. */
export async function openDatabase(deps: OpenDeps): Promise<Database> {
  const { path, connect, synchronous, lockTimeoutMs } = deps
  if (path !== MEMORY) checkPath(path)
  const until = systemClock.monotonic() + lockTimeoutMs
  let client: SqliteConnection | undefined
  try {
    client = checkClient(connect(path))
    checkOpened(client, path)
    for (;;) {
      try {
        prepare(client, deps)
        break
      } catch (error) {
        if (!isBusy(error) || systemClock.monotonic() >= until) throw error
      }
      await sleep(systemClock, RETRY_MS * (0.5 + Math.random()))
    }
    const file = path === MEMORY ? undefined : new DatabaseFile(path)
    return new Database({ client, path, file, synchronous })
  } catch (error) {
    if (client !== undefined) close(client)
    throw openError(path, error)
  }
}

function close(client: SqliteConnection): void {
  try {
    client.close()
  } catch {
    // What cannot be closed may not have been open. The error that led here is the one to tell.
  }
}

/** Whoever calls without types may give anything. */
function checkClient(client: SqliteConnection | undefined): SqliteConnection {
  for (const method of ['prepare', 'exec', 'close'] as const) {
    if (typeof client?.[method] !== 'function') {
      const expected = 'a function that gives back a connection, not a promise of one'
      throw new OptionError('connect', client, expected)
    }
  }
  // It was just looked at.
  return client as SqliteConnection
}

/** A connection to anything else would not be seen to lose its file. */
function checkOpened(client: SqliteConnection, path: string): void {
  const main = mainFile(client)
  if (path === MEMORY && main === undefined) return
  const there = path === MEMORY ? undefined : fileAt(path)
  if (main !== undefined && there !== undefined && isSameFile(fileAt(main), there)) return
  throw failure(`${path}: what was opened is ${main ?? 'a database in memory'}`)
}

function prepare(client: SqliteConnection, { path, now }: OpenDeps): void {
  if (inTransaction(client) === undefined) {
    throw failure(`${path}: the client has neither isTransaction nor inTransaction`)
  }
  client.exec(`PRAGMA busy_timeout = ${BUSY_MS}`)
  // Of a new file only; one that has tables stays as it was made.
  client.exec('PRAGMA auto_vacuum = INCREMENTAL')
  const mode = new Statements(client).value('PRAGMA journal_mode = WAL')
  if (mode !== 'wal' && path !== MEMORY) {
    throw failure(`${path}: it stays in journal mode "${String(mode)}", and needs WAL`)
  }
  client.exec(`PRAGMA journal_size_limit = ${LARGEST_IDLE_LOG}`)
  client.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
  try {
    migrate({ client, path, migrations, now })
    // Whatever is missing of tables, columns and indexes, one of these does not compile.
    for (const statement of probes) client.prepare(statement)
  } catch (error) {
    if (sqliteCode(error) !== 'other' || !(error instanceof Error)) throw error
    throw failure(`${path}: its apalis tables do not fit: ${error.message}`, error)
  }
}

function checkPath(path: string): void {
  // Looked for first: it is made after the file, and goes before it.
  const log = logOf(path)
  const rest = fileAt(log)?.size ?? 0n
  const stats = stat(path)
  if (rest > 0n && (stats?.size ?? 0) === 0) {
    throw failure(
      `${path} is ${stats === undefined ? 'gone' : 'empty'}, while the log that belongs to it is there: put the file back, or remove ${log} to begin anew`,
    )
  }
  if (stats?.isDirectory() === true) throw failure(`${path} is a directory`)
  if (stats !== undefined && !stats.isFile()) throw failure(`${path} is no file`)
  const folder = dirname(path)
  const folderStats = stat(folder)
  if (folderStats === undefined) throw failure(`${path}: the folder ${folder} does not exist`)
  if (!folderStats.isDirectory()) throw failure(`${path}: ${folder} is no folder`)
  // SQLite keeps two files beside the database.
  if (!isWritable(folder)) throw failure(`${path}: the folder ${folder} cannot be written to`)
  if (stats !== undefined && !isWritable(path)) throw failure(`${path} cannot be written to`)
}

function stat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw failure(`${path}: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

function openError(path: string, error: unknown): unknown {
  switch (sqliteCode(error)) {
    case undefined:
      if (error instanceof ApalisError) return error
      return failure(`${path}: ${error instanceof Error ? error.message : String(error)}`, error)
    case 'SQLITE_NOTADB':
      return failure(`${path} is no SQLite database`, error)
    case 'SQLITE_CORRUPT':
      return failure(`${path} is a damaged SQLite database`, error)
    case 'SQLITE_READONLY':
      return failure(`${path} cannot be written to`, error)
    case 'SQLITE_CANTOPEN':
      return failure(
        `${path} cannot be opened or made, or not the files that SQLite keeps beside it`,
        error,
      )
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED': {
      const message = `${path}: another connection holds a lock on it`
      return new BackendError('open', message, { applied: 'no', cause: error })
    }
    default:
      return failure(`${path}: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

function failure(message: string, cause?: unknown): BackendError {
  return new BackendError('open', message, {
    transient: false,
    applied: 'no',
    ...(cause !== undefined && { cause }),
  })
}
