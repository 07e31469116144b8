import { inTransaction, type SqliteConnection } from './client.ts'
import type { DatabaseFile } from './database-file.ts'
import { Effects } from './effects.ts'
import { Queues } from './queues.ts'
import type { Session } from './session.ts'
import { Statements } from './statements.ts'

/** How much a commit is worth: `full` survives a power cut, `normal` the end of the process only. */
export type Synchronous = 'full' | 'normal'

/** What a {@link Database} is made of. */
export interface DatabaseDeps {
  readonly client: SqliteConnection
  /** Absolute, or `:memory:`. */
  readonly path: string
  /** Undefined: memory. */
  readonly file: DatabaseFile | undefined
  readonly synchronous: Synchronous
}

/** The connection of a storage: its transactions, and whether its file is still where it was. */
export class Database {
  readonly path: string
  readonly file: DatabaseFile | undefined
  readonly client: SqliteConnection
  readonly sql: Statements
  readonly #queues: Queues
  readonly #effects = new Effects()
  readonly #synchronous: Synchronous
  #level: Synchronous | undefined

  constructor({ client, path, file, synchronous }: DatabaseDeps) {
    this.client = client
    this.path = path
    this.file = file
    this.sql = new Statements(client)
    this.#queues = new Queues(this.sql)
    this.#synchronous = synchronous
  }

  /** What calls work with. */
  session(now: number): Session {
    return { sql: this.sql, queues: this.#queues, effects: this.#effects, now }
  }

  /** Why nothing may be read or written. */
  problem(): string | undefined {
    return this.file?.problem()
  }

  /** Begins a transaction that writes. Throws at once where another connection has one. */
  begin(durable: boolean): void {
    this.#setLevel(durable ? this.#synchronous : 'normal')
    this.sql.run('BEGIN IMMEDIATE')
  }

  commit(): void {
    this.sql.run('COMMIT')
  }

  /** Ends the transaction, if SQLite has not done so itself. */
  rollback(): void {
    if (inTransaction(this.client) === false) return
    try {
      this.sql.run('ROLLBACK')
    } catch {
      // There was none any more: the error that led here is the one to tell.
    }
  }

  beginCall(): void {
    this.sql.run('SAVEPOINT apalis_call')
  }

  endCall(): void {
    this.sql.run('RELEASE apalis_call')
  }

  /** Undoes what was done since `beginCall`. False: SQLite has undone the whole transaction. */
  rollbackCall(): boolean {
    try {
      this.sql.run('ROLLBACK TO apalis_call')
      this.sql.run('RELEASE apalis_call')
      return true
    } catch {
      // There is no such savepoint any more. The error that led here is the one to tell.
      return false
    }
  }

  #setLevel(level: Synchronous): void {
    if (level === this.#level) return
    this.sql.run(level === 'full' ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL')
    this.#level = level
  }
}
