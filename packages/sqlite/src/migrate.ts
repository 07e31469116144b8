import { BackendError } from '@apalis/core'
import type { SqliteConnection } from './client.ts'
import type { Migration } from './schema.ts'
import { isBusy } from './sqlite-errors.ts'
import { Statements } from './statements.ts'

const FIND_TABLE = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
const ANY_TABLE = 'SELECT count(*) FROM sqlite_schema'
const VERSION = 'SELECT max(version) FROM apalis_migration'
const TABLE = `CREATE TABLE apalis_migration (
  version INTEGER PRIMARY KEY,
  applied_at INTEGER NOT NULL
)`
const APPLIED = 'INSERT INTO apalis_migration (version, applied_at) VALUES (?, ?)'
/** Marks a file that is all ours; one that an application keeps tables of its own in stays what it is. */
const APPLICATION_ID = 0x6170_6c73

/** What {@link migrate} needs. */
export interface MigrateDeps {
  readonly client: SqliteConnection
  readonly path: string
  readonly migrations: readonly Migration[]
  readonly now: number
}

/**
 * Brings the schema to its newest version, each step in a transaction of its own: two processes at once do each step once,
 * and one that is interrupted leaves nothing of the step behind. Throws for a schema that is newer than what is known here.
 */
export function migrate({ client, path, migrations, now }: MigrateDeps): void {
  const sql = new Statements(client)
  const known = migrations.at(-1)?.version ?? 0
  if (version(sql) === known) return checkWritable(sql)
  for (;;) {
    // Others may be at it: what is to be done is decided under the lock.
    sql.run('BEGIN IMMEDIATE')
    try {
      const found = version(sql)
      if (found > known) throw tooNew(path, found, known)
      const next = migrations.find(({ version: step }) => step === found + 1)
      if (next !== undefined) {
        if (found === 0) begin(client, sql)
        client.exec(next.sql)
        sql.run(APPLIED, next.version, now)
      }
      sql.run('COMMIT')
      if (next === undefined) return
    } catch (error) {
      rollback(sql)
      throw error
    }
  }
}

/** Whoever cannot write should know now. That somebody else does is a sign that one can. */
function checkWritable(sql: Statements): void {
  try {
    sql.run('BEGIN IMMEDIATE')
    sql.run('COMMIT')
  } catch (error) {
    if (!isBusy(error)) throw error
  }
}

function rollback(sql: Statements): void {
  try {
    sql.run('ROLLBACK')
  } catch {
    // SQLite has done so itself: the error that led here is the one to tell.
  }
}

function version(sql: Statements): number {
  if (Number(sql.value(FIND_TABLE, 'apalis_migration')) === 0) return 0
  return Number(sql.value(VERSION) ?? 0)
}

function begin(client: SqliteConnection, sql: Statements): void {
  if (Number(sql.value(ANY_TABLE)) === 0) client.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
  if (Number(sql.value(FIND_TABLE, 'apalis_migration')) === 0) client.exec(TABLE)
}

function tooNew(path: string, found: number, known: number): BackendError {
  return new BackendError(
    'open',
    `${path}: its schema is version ${found}, and this version of @apalis/sqlite knows versions up to ${known}; use a newer one`,
    { transient: false, applied: 'no' },
  )
}
