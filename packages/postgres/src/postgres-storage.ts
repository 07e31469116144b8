import { durationMs, OptionError, Storage, type StorageOptions } from '@apalis/core'
import { Calls } from './calls.ts'
import type { PostgresConnection, PostgresTransaction } from './client.ts'
import { isPoolOfOne, openLink } from './connect.ts'
import { checkSchema, migrate, migrationSql } from './migrate.ts'
import { PostgresStore } from './postgres-store.ts'

/** How to connect to tasks in PostgreSQL. */
export interface PostgresStorageOptions extends StorageOptions {
  /** Where the tables are: small letters, digits and underscores. @default 'apalis' */
  readonly schema?: string
  /**
   * Whether to make the schema, or bring it up to date, where that is needed. False: somebody else does, with a role that may.
   * @default true
   */
  readonly migrate?: boolean
  /**
   * Whether the server tells of what other processes do (LISTEN). `auto`: where a pooler stands between it is tried, and behind
   * one whose connections change with every transaction the storage looks by itself, more often while something happens. So
   * it does with a pool of one connection.
   * @default 'auto'
   */
  readonly listen?: boolean | 'auto'
  /** @internal What statements add to the server's time, in milliseconds: for tests that move time. */
  readonly clockOffset?: () => number
}

/** A statement is given up a little before core gives the call up. */
const STATEMENT_PART = 0.9

/**
 * Tasks in PostgreSQL: durable, for many machines. With a URL the storage has a small pool of its own, which serves any number
 * of queues and workers; a pool, a connection or PGlite of the caller's stays the caller's.
 */
export class PostgresStorage extends Storage<PostgresTransaction> {
  readonly #calls: Calls

  private constructor(calls: Calls, store: PostgresStore, options: StorageOptions) {
    super(store, options)
    this.#calls = calls
  }

  /**
   * Connects, and brings the schema up to date. Rejects with a `BackendError` where the server cannot be reached, or the schema
   * is not one that this version can work with.
   */
  static async connect(
    connection: string | URL | PostgresConnection,
    given: PostgresStorageOptions = {},
  ): Promise<PostgresStorage> {
    const { clockOffset = () => 0, ...named } = given
    PostgresStorage.checkOptions(named, ['schema', 'migrate', 'listen'])
    const { schema = 'apalis', migrate: wanted = true, listen = 'auto', ...options } = named
    const { callTimeout = '10s' } = options
    const timeoutMs = durationMs('storage.callTimeout', callTimeout, { min: 10 }) * STATEMENT_PART
    if (typeof wanted !== 'boolean') throw new OptionError('migrate', wanted, 'a boolean')
    if (typeof listen !== 'boolean' && listen !== 'auto') {
      throw new OptionError('listen', listen, "true, false or 'auto'")
    }
    // The connection that listens would be missing to everything else.
    const alone = isPoolOfOne(connection)
    if (alone && listen === true) {
      throw new OptionError('listen', listen, "false or 'auto' for a pool of one connection")
    }
    const deps = { schema: checkSchema(schema), timeoutMs }
    const link = await openLink(connection, timeoutMs)
    try {
      await migrate({ link, ...deps, migrate: wanted })
      const calls = new Calls({ link, ...deps })
      const store = new PostgresStore({
        link,
        calls,
        ...deps,
        listen: alone ? false : listen,
        clockOffset,
      })
      return new PostgresStorage(calls, store, options)
    } catch (error) {
      await link.close()
      throw error
    }
  }

  /** The statements that `migrate` would run, for people to read, or to run as another role. `from`: the version that is there; 0: none. */
  static migrationSql({
    schema = 'apalis',
    from = 0,
  }: { readonly schema?: string; readonly from?: number } = {}): string {
    return migrationSql(checkSchema(schema), from)
  }

  /** How often the server has undone a statement for another's sake (deadlocks, serialization errors); each was tried again. */
  get conflicts(): number {
    return this.#calls.conflicts
  }
}
