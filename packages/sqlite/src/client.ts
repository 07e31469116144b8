import { DatabaseSync } from 'node:sqlite'

/** What can be bound to a statement. */
export type SqliteValue = string | number | bigint | null | Uint8Array

/** The part of a prepared statement that is needed of a client. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): {
    readonly changes: number | bigint
    readonly lastInsertRowid: number | bigint
  }
  get(...values: SqliteValue[]): unknown
  all(...values: SqliteValue[]): unknown[]
}

/** A connection of the caller's to the storage's own file, with a transaction open: one of `node:sqlite` or better-sqlite3. */
export interface SqliteTransaction {
  prepare(sql: string): SqliteStatement
  exec(sql: string): unknown
  /** Whether a transaction is open, as `node:sqlite` says it. */
  readonly isTransaction?: boolean
  /** Whether a transaction is open, as better-sqlite3 says it. */
  readonly inTransaction?: boolean
}

/**
 * The part of a client that the storage needs: a synchronous connection. `DatabaseSync` of `node:sqlite` has it, and so
 * has better-sqlite3; neither is named here, so that neither is a dependency.
 */
export interface SqliteConnection extends SqliteTransaction {
  close(): unknown
}

/** Opens a connection that the storage then owns. `path`: absolute, or `:memory:`. */
export type SqliteConnect = (path: string) => SqliteConnection

/** A connection of `node:sqlite`. */
export const connectNodeSqlite: SqliteConnect = (path) => new DatabaseSync(path)

/** Whether a transaction is open; undefined where the client does not say. */
export function inTransaction(client: SqliteTransaction): boolean | undefined {
  return client.isTransaction ?? client.inTransaction
}

/**
 * Whether both are of one kind of client. Two kinds bring two copies of SQLite, and two copies in one process break each
 * other's locks on a file: one that closes it lets go of the locks of the other, which the operating system counts by
 * process.
 */
export function isSameKind(one: SqliteTransaction, other: SqliteTransaction): boolean {
  return (one.isTransaction === undefined) === (other.isTransaction === undefined)
}
