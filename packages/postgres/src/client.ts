/** The answer of a query, as far as it is needed. */
export interface PostgresResult {
  readonly rows: readonly unknown[]
}

/** Whatever takes a statement with `$1`, `$2`, … and its values. */
export interface PostgresQueryable {
  query(text: string, values?: unknown[]): Promise<PostgresResult>
}

/** A message that was sent with NOTIFY. */
export interface PostgresNotification {
  readonly channel: string
  readonly payload?: string | undefined
}

/** A connection, as `pg` has it. */
export interface PostgresClient extends PostgresQueryable {
  on(event: 'notification', listener: (message: PostgresNotification) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  removeListener(event: 'notification', listener: (message: PostgresNotification) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'end', listener: () => void): unknown
}

/** A connection of a pool. */
export interface PostgresPoolClient extends PostgresClient {
  /** Gives it back; with `true` or an error it is closed instead. */
  release(destroy?: boolean | Error): void
}

/** A pool of connections, as `pg` has it. */
export interface PostgresPool extends PostgresQueryable {
  connect(): Promise<PostgresPoolClient>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  /** How many connections there are; by it a pool is told from a connection. */
  readonly totalCount: number
}

/** PostgreSQL in this process. */
export interface PostgresInProcess extends PostgresQueryable {
  /** Gives back what ends the listening. */
  listen(channel: string, callback: (payload: string) => void): Promise<() => Promise<void>>
}

/** What a storage can be connected with: a pool or a connection of `pg`, or PGlite. */
export type PostgresConnection = PostgresPool | PostgresClient | PostgresInProcess

/** Whether it is a pool. */
export function isPool(connection: object): connection is PostgresPool {
  return 'totalCount' in connection && 'connect' in connection
}

/** Whether it is PostgreSQL in this process. */
export function isInProcess(connection: object): connection is PostgresInProcess {
  return 'listen' in connection && typeof connection.listen === 'function'
}

/** The one value that a statement of ours answers with. By its place: rows may come as arrays, and columns under names of a library's own. */
export function answerOf(rows: readonly unknown[]): unknown {
  const [row] = rows
  return typeof row === 'object' && row !== null ? Object.values(row)[0] : undefined
}

/** What our statements are sent with in a transaction of the caller's: arrays as texts, as the server writes them. */
export type PostgresValue = string | number | boolean | null

/**
 * A connection of `pg` with a transaction open, a transaction of PGlite, or an object of one's own for any other library: it
 * sends the text with its `$1`, `$2`, … as it is, and answers with the rows. What has transactions and is none does not fit.
 */
export interface PostgresQueryTransaction {
  query(
    text: string,
    values?: PostgresValue[],
  ): PromiseLike<PostgresResult | readonly unknown[] | undefined>
  /** Only pools have it. */
  readonly totalCount?: never
  /** Only databases have it. */
  readonly transaction?: never
}

/** What `sql.begin` and `sql.savepoint` of postgres.js call back with. */
export interface PostgresJsTransaction {
  unsafe(text: string, values?: PostgresValue[]): PromiseLike<readonly unknown[]>
  savepoint(run: never): Promise<unknown>
}

/** What `db.transaction` of Drizzle calls back with, whatever it runs on. */
export interface DrizzleTransaction {
  execute(query: never): PromiseLike<unknown>
  setTransaction(config: never): Promise<void>
  rollback(): never
}

/** What `db.transaction().execute` of Kysely calls back with, or `db.startTransaction().execute` gives. */
export interface KyselyTransaction {
  readonly isTransaction: true
  withoutPlugins(): KyselyTransaction
  executeQuery(query: never): Promise<PostgresResult>
}

/** A transaction of the caller's: tasks that are pushed in it are there if it is committed. */
export type PostgresTransaction =
  | PostgresQueryTransaction
  | PostgresJsTransaction
  | DrizzleTransaction
  | KyselyTransaction
