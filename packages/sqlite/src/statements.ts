import type { SqliteStatement, SqliteTransaction, SqliteValue } from './client.ts'

/** The values of a row, in the order of the columns that were asked for. */
export type Values = readonly unknown[]

/** What the clients have beyond each other: rows as arrays, and numbers instead of bigints. */
interface Traits {
  /** `node:sqlite`. */
  setReturnArrays?(on: boolean): unknown
  setReadBigInts?(on: boolean): unknown
  /** better-sqlite3; `raw` is for statements that return rows. */
  readonly reader?: boolean
  raw?(on: boolean): unknown
  safeIntegers?(on: boolean): unknown
}

/** The statements of one connection, each prepared when it is first needed. */
export class Statements {
  readonly #client: SqliteTransaction
  readonly #prepared = new Map<string, SqliteStatement>()

  constructor(client: SqliteTransaction) {
    this.#client = client
  }

  /** Runs a statement that returns no rows; gives back how many it changed. */
  run(sql: string, ...values: SqliteValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  /** Inserts one row, and gives back its number. */
  insert(sql: string, ...values: SqliteValue[]): number {
    return Number(this.#prepare(sql).run(...values).lastInsertRowid)
  }

  /** The first row that a statement returns. */
  row(sql: string, ...values: SqliteValue[]): Values | undefined {
    return toValues(this.#prepare(sql).get(...values))
  }

  /** All rows that a statement returns. */
  rows(sql: string, ...values: SqliteValue[]): readonly Values[] {
    const rows = this.#prepare(sql).all(...values)
    return rows.length === 0 || Array.isArray(rows[0])
      ? (rows as Values[])
      : rows.map((row) => toValues(row) ?? [])
  }

  /** The one value of the one row that a statement returns. */
  value(sql: string, ...values: SqliteValue[]): unknown {
    return this.row(sql, ...values)?.[0]
  }

  #prepare(sql: string): SqliteStatement {
    let statement = this.#prepared.get(sql)
    if (statement === undefined) {
      statement = this.#client.prepare(sql)
      simplify(statement)
      this.#prepared.set(sql, statement)
    }
    return statement
  }
}

function simplify(statement: SqliteStatement & Traits): void {
  statement.setReturnArrays?.(true)
  statement.setReadBigInts?.(false)
  if (statement.reader === true) {
    statement.raw?.(true)
    statement.safeIntegers?.(false)
  }
}

/** Older clients know rows as objects only; their properties are in the order of the columns. */
function toValues(row: unknown): Values | undefined {
  if (row === undefined || row === null) return undefined
  return Array.isArray(row) ? row : Object.values(row)
}
