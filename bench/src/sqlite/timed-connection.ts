import { performance } from 'node:perf_hooks'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { SqliteConnection, SqliteStatement } from '@apalis/sqlite'

/** Is told of every call into SQLite: the statement, and how long it took in milliseconds. */
export type OnCall = (sql: string, ms: number) => void

/** A connection of `node:sqlite` that tells of every call. */
export function timedConnection(path: string, onCall: OnCall): SqliteConnection {
  const client = new DatabaseSync(path)
  const timed = <Answer>(sql: string, call: () => Answer): Answer => {
    const begun = performance.now()
    try {
      return call()
    } finally {
      onCall(sql, performance.now() - begun)
    }
  }
  return {
    get isTransaction() {
      return client.isTransaction
    },
    exec: (sql) => timed(sql, () => client.exec(sql)),
    prepare: (sql) =>
      timedStatement(
        sql,
        timed(`prepare ${sql}`, () => client.prepare(sql)),
        timed,
      ),
    close: () => timed('close', () => client.close()),
  }
}

function timedStatement(
  sql: string,
  statement: StatementSync,
  timed: <Answer>(sql: string, call: () => Answer) => Answer,
): SqliteStatement & Pick<StatementSync, 'setReturnArrays' | 'setReadBigInts'> {
  return {
    run: (...values: SQLInputValue[]) => timed(sql, () => statement.run(...values)),
    get: (...values: SQLInputValue[]) => timed(sql, () => statement.get(...values)),
    all: (...values: SQLInputValue[]) => timed(sql, () => statement.all(...values)),
    setReturnArrays: (on) => statement.setReturnArrays(on),
    setReadBigInts: (on) => statement.setReadBigInts(on),
  }
}
