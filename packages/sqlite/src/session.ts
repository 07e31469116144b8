import { Effects } from './effects.ts'
import { Queues } from './queues.ts'
import { Statements } from './statements.ts'
import type { SqliteTransaction } from './client.ts'

/** What a call that only reads works with. */
export interface Reading {
  readonly sql: Statements
  readonly queues: Queues
  /** The storage's time, read once for each call. */
  readonly now: number
}

/** What a call works with inside a transaction that writes. */
export interface Session extends Reading {
  readonly effects: Effects
}

/** A session for one call in somebody else's transaction: nothing of it may be remembered, since that may be rolled back. */
export function sessionOn(client: SqliteTransaction, now: number): Session {
  const sql = new Statements(client)
  return { sql, queues: new Queues(sql), effects: new Effects(), now }
}
