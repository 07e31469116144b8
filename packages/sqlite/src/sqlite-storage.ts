import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { durationMs, OptionError, Storage, type StorageOptions, systemClock } from '@apalis/core'
import { backUp } from './backup.ts'
import { connectNodeSqlite, type SqliteConnect, type SqliteTransaction } from './client.ts'
import type { Database, Synchronous } from './database.ts'
import { MEMORY, openDatabase } from './open-database.ts'
import { SqliteStore } from './sqlite-store.ts'

/** How to open a file of tasks. */
export interface SqliteStorageOptions extends StorageOptions {
  /**
   * Opens the connection that the storage then owns, at an absolute path or `:memory:`. A client other than `node:sqlite`
   * has to be synchronous and have its methods, as better-sqlite3 has. Whoever opens the same file in the same process
   * has to use the same client: two copies of SQLite in one process break each other's locks, and with them the file.
   * @default a `DatabaseSync` of `node:sqlite`
   */
  readonly connect?: SqliteConnect
  /**
   * What an acknowledged push or outcome survives: `full` a power cut too, `normal` only the end of the process.
   * @default 'full'
   */
  readonly synchronous?: Synchronous
}

/** A call is given up a little before core gives it up: then it is known that nothing was done. */
const LOCK_PART = 0.9

/**
 * Tasks in an SQLite file: durable, without a server. Several processes may share the file, each with a storage of its
 * own, on one machine. Everything happens on one connection, which is the storage's alone; what other connections and
 * processes do it notices by itself.
 */
export class SqliteStorage extends Storage<SqliteTransaction> {
  readonly #database: Database

  private constructor(database: Database, store: SqliteStore, options: StorageOptions) {
    super(store, options)
    this.#database = database
  }

  /**
   * Opens a file, which is made where there is none; `:memory:` is for this process alone. Rejects with a `BackendError`
   * that names the path where the file cannot be used.
   */
  static async open(path: string | URL, given: SqliteStorageOptions = {}): Promise<SqliteStorage> {
    SqliteStorage.checkOptions(given, ['connect', 'synchronous'])
    const { connect = connectNodeSqlite, synchronous = 'full', ...options } = given
    const { clock = systemClock, callTimeout = '10s' } = options
    const deps = {
      path: checkPath(path),
      connect: checkConnect(connect),
      synchronous: checkSynchronous(synchronous),
      now: clock.now(),
      lockTimeoutMs: durationMs('storage.callTimeout', callTimeout, { min: 10 }) * LOCK_PART,
    }
    const database = await openDatabase(deps)
    try {
      const store = new SqliteStore({ database, clock, lockTimeoutMs: deps.lockTimeoutMs })
      return new SqliteStorage(database, store, options)
    } catch (error) {
      database.client.close()
      throw error
    }
  }

  /** Where the tasks are: an absolute path, or `:memory:`. */
  get path(): string {
    return this.#database.path
  }

  /**
   * Copies everything that is committed by now to another file, while workers and pushes go on. It has its name once it is
   * whole, in place of a file that was there. A client other than `node:sqlite`, and `:memory:`, copies in one go: the
   * process stands still meanwhile.
   */
  backup(path: string): Promise<void> {
    return backUp(this.#database, path)
  }
}

function checkPath(path: unknown): string {
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path)
  if (typeof path !== 'string' || path === '' || path.startsWith('file:')) {
    throw new OptionError(
      'SqliteStorage path',
      path,
      "a path, a URL object of a file, or ':memory:'",
    )
  }
  return path === MEMORY ? path : resolve(path)
}

function checkConnect(connect: unknown): SqliteConnect {
  if (typeof connect !== 'function') throw new OptionError('connect', connect, 'a function')
  // What it gives back is checked when it is used.
  return connect as SqliteConnect
}

function checkSynchronous(synchronous: unknown): Synchronous {
  if (synchronous === 'full' || synchronous === 'normal') return synchronous
  throw new OptionError('synchronous', synchronous, "'full' or 'normal'")
}
