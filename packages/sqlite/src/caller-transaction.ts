import { BackendError, OptionError } from '@apalis/core'
import { inTransaction, isSameKind, type SqliteTransaction } from './client.ts'
import type { Database } from './database.ts'
import { fileAt, isSameFile, mainFile } from './database-file.ts'
import { type Session, sessionOn } from './session.ts'
import { toBackendError } from './sqlite-errors.ts'

/**
 * Does the work on a connection of the caller's, inside the transaction that is open there: all of it or nothing, and
 * before this returns. Refuses what is no connection to the storage's own file, or has no transaction open.
 */
export function withinTransaction<Answer>(
  database: Database,
  tx: SqliteTransaction,
  call: { readonly operation: string; readonly now: number },
  work: (session: Session) => Answer,
): Answer {
  checkTransaction(database, tx)
  const { path } = database
  const session = sessionOn(tx, call.now)
  const { sql, effects } = session
  try {
    sql.run('SAVEPOINT apalis_within')
    const answer = work(session)
    effects.write(sql)
    sql.run('RELEASE apalis_within')
    return answer
  } catch (error) {
    undo(session)
    throw toBackendError(call.operation, error, { path, applied: 'no' })
  }
}

/** Undoes what was done in the savepoint, and leaves the transaction to the caller. */
function undo({ sql }: Session): void {
  try {
    sql.run('ROLLBACK TO apalis_within')
    sql.run('RELEASE apalis_within')
  } catch {
    // SQLite has ended the whole transaction: the error that led here is the one to tell.
  }
}

function checkTransaction({ path, file, client }: Database, tx: SqliteTransaction): void {
  const expected = `a connection of node:sqlite or better-sqlite3 to ${path}, with a transaction open`
  if (typeof tx !== 'object' || tx === null || typeof tx.prepare !== 'function') {
    throw new OptionError('within(tx)', tx, expected)
  }
  if (file === undefined) {
    throw new BackendError(
      'push within a transaction',
      'a storage in memory has only its own connection',
      {
        transient: false,
        applied: 'no',
      },
    )
  }
  if (inTransaction(tx) === undefined || !isSameKind(tx, client)) {
    const why =
      "of the client that the storage itself uses (see `connect`): two copies of SQLite in one process break each other's locks"
    throw new OptionError('within(tx)', tx, `a connection ${why}`)
  }
  if (inTransaction(tx) !== true) {
    throw new OptionError('within(tx)', tx, `${expected}; none is open`)
  }
  const main = mainFile(tx)
  if (main !== undefined && isSameFile(fileAt(main), file)) return
  throw new OptionError('within(tx)', tx, `${expected}; this one is to ${main ?? 'memory'}`)
}
