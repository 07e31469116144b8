/** The answer of a query, as far as it is needed. */
export interface PostgresResult {
  readonly rows: readonly unknown[]
}

/** Whatever takes a statement with `$1`, `$2`, … and its values: a `Client` or pooled client of `pg`, PGlite or a transaction of it. */
export interface PostgresTransaction {
  query(text: string, values?: unknown[]): Promise<PostgresResult>
}

/** A message that was sent with NOTIFY. */
export interface PostgresNotification {
  readonly channel: string
  readonly payload?: string | undefined
}

/** A connection, as `pg` has it. */
export interface PostgresClient extends PostgresTransaction {
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
export interface PostgresPool extends PostgresTransaction {
  connect(): Promise<PostgresPoolClient>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  /** How many connections there are; by it a pool is told from a connection. */
  readonly totalCount: number
}

/** PostgreSQL in this process. */
export interface PostgresInProcess extends PostgresTransaction {
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
