import { BackendError, type Inserted, type NewRow } from '@apalis/core'
import type { SqliteValue } from './client.ts'
import type { QueueRef } from './queues.ts'
import { READY } from './schema.ts'
import type { Session } from './session.ts'
import type { Statements } from './statements.ts'
import { clamped, isInstant } from './stored-values.ts'

/** Longer arguments, in characters, are kept apart: a change of the row would copy them. */
const LONGEST_INLINE = 1_024

/** So many rows go into one statement. */
const ROWS_AT_ONCE = 25

const COLUMNS = 'queue, lane, due_at, priority, run_at, attempts, created_at, id, args'
const PLAIN = insertOf(COLUMNS, 1)
const PLAIN_MANY = insertOf(COLUMNS, ROWS_AT_ONCE)
const FULL = insertOf(`${COLUMNS}, timeout_ms, unique_key, key_until, key_held, metadata`, 1)
/** One that is there was left by a row that somebody deleted by hand: its number was given out again. */
const PAYLOAD = 'INSERT OR REPLACE INTO apalis_payload (task, args) VALUES (?, ?)'
const SET_ARGS = 'UPDATE apalis_task SET args = ? WHERE seq = ?'
const DELETE_PAYLOAD = 'DELETE FROM apalis_payload WHERE task = ?'
const FIND_ID = 'SELECT 1 FROM apalis_task WHERE queue = ? AND id = ?'
const FIND_KEY = `SELECT seq, id, ${clamped('key_until')} FROM apalis_task INDEXED BY apalis_task_key
  WHERE queue = ? AND unique_key = ? AND key_held = 1`
const FREE_KEY = 'UPDATE apalis_task SET key_held = NULL WHERE seq = ?'

/** See `TaskStore.insert`, with `refuseExisting`. */
export function insertNewRows(
  session: Session,
  queueName: string,
  rows: readonly NewRow[],
): readonly Inserted[] {
  const { sql, queues, effects } = session
  sql.run('SAVEPOINT apalis_new')
  const inserted = insertRows(session, queueName, rows)
  if (inserted.some(({ existing }) => existing)) {
    sql.run('ROLLBACK TO apalis_new')
    effects.clear()
    queues.rolledBack()
  }
  sql.run('RELEASE apalis_new')
  return inserted
}

/** See `TaskStore.insert`. */
export function insertRows(
  session: Session,
  queueName: string,
  rows: readonly NewRow[],
): readonly Inserted[] {
  for (const row of rows) checkOrder('insert', row)
  const { sql, queues, effects, now } = session
  const queue = queues.open(queueName)
  const inserted: Inserted[] = []
  const counted = { stored: 0, future: 0 }
  for (let from = 0; from < rows.length;) {
    const many = rows.slice(from, from + ROWS_AT_ONCE)
    if (insertMany(sql, queue, many, now)) {
      for (const { id } of many) inserted.push({ id, existing: false })
      counted.stored += many.length
      counted.future += many.filter((row) => dueAt(row, now) !== null).length
      from += many.length
      continue
    }
    for (const row of many) {
      const one = insertOne(sql, queue, row, now)
      inserted.push(one)
      if (one.existing) continue
      counted.stored += 1
      if (dueAt(row, now) !== null) counted.future += 1
    }
    from += many.length
  }
  if (counted.stored > 0) {
    effects.count(queue, 'pending', counted.stored)
    effects.count(queue, 'future', counted.future)
    effects.due(queue)
  }
  return inserted
}

/** Refuses what no order can be kept of. */
export function checkOrder(
  operation: string,
  {
    id,
    priority,
    runAt,
  }: { readonly id: string; readonly priority?: number; readonly runAt?: number },
): void {
  if (
    (priority === undefined || Number.isFinite(priority)) &&
    (runAt === undefined || isInstant(runAt))
  ) {
    return
  }
  throw new BackendError(
    operation,
    `row ${JSON.stringify(id)} has the priority ${priority} and the runAt ${runAt}`,
    { transient: false, applied: 'no' },
  )
}

/** Inserts a full set of rows that have nothing special, in one statement. False: nothing was stored. */
function insertMany(
  sql: Statements,
  queue: QueueRef,
  rows: readonly NewRow[],
  now: number,
): boolean {
  if (rows.length < ROWS_AT_ONCE || !rows.every(isPlain)) return false
  sql.run('SAVEPOINT apalis_many')
  const values: SqliteValue[] = []
  for (const row of rows) addValues(values, queue, row, row.args, now)
  const stored = sql.run(PLAIN_MANY, ...values)
  if (stored < rows.length) sql.run('ROLLBACK TO apalis_many')
  sql.run('RELEASE apalis_many')
  return stored === rows.length
}

function insertOne(sql: Statements, queue: QueueRef, row: NewRow, now: number): Inserted {
  const { id } = row
  if (isPlain(row)) {
    const stored = sql.run(PLAIN, ...addValues([], queue, row, row.args, now))
    return { id, existing: stored === 0 }
  }
  if (sql.row(FIND_ID, queue.id, id) !== undefined) return { id, existing: true }
  const holder = keyHolder(sql, queue, row.uniqueKey, now)
  if (holder !== undefined) return { id: holder.id, existing: true }
  const keyUntil = row.uniqueForMs === undefined ? null : Math.ceil(now + row.uniqueForMs)
  const holds = row.uniqueKey !== undefined && (keyUntil === null || now < keyUntil)
  const long = row.args.length > LONGEST_INLINE
  const seq = sql.insert(
    FULL,
    ...addValues([], queue, row, long ? null : row.args, now),
    row.timeoutMs ?? null,
    row.uniqueKey ?? null,
    keyUntil,
    holds ? 1 : null,
    row.metadata === undefined ? null : JSON.stringify(row.metadata),
  )
  if (long) sql.run(PAYLOAD, seq, row.args)
  return { id, existing: false }
}

/** Who holds the key now. A holder whose time has passed gives way. */
export function keyHolder(
  sql: Statements,
  queue: QueueRef,
  key: string | undefined,
  now: number,
): { readonly seq: number; readonly id: string } | undefined {
  if (key === undefined) return undefined
  const [seq, id, until] = sql.row(FIND_KEY, queue.id, key) ?? []
  if (typeof seq !== 'number') return undefined
  if (until === null || (typeof until === 'number' && now < until)) return { seq, id: String(id) }
  sql.run(FREE_KEY, seq)
  return undefined
}

/** Replaces the arguments of a row. */
export function keepArgs(sql: Statements, seq: number, args: string): void {
  const long = args.length > LONGEST_INLINE
  sql.run(SET_ARGS, long ? null : args, seq)
  sql.run(DELETE_PAYLOAD, seq)
  if (long) sql.run(PAYLOAD, seq, args)
}

function isPlain({ args, timeoutMs, uniqueKey, metadata }: NewRow): boolean {
  return (
    timeoutMs === undefined &&
    uniqueKey === undefined &&
    metadata === undefined &&
    args.length <= LONGEST_INLINE
  )
}

/** Adds the values of {@link COLUMNS}. */
function addValues(
  values: SqliteValue[],
  queue: QueueRef,
  row: NewRow,
  args: string | null,
  now: number,
): SqliteValue[] {
  const due = dueAt(row, now)
  const lane = due === null ? READY : null
  values.push(queue.id, lane, due, row.priority, due ?? runAt(row, now), row.attempts, now)
  values.push(row.id, args)
  return values
}

/** When it is due, if that is later. */
function dueAt(row: Pick<NewRow, 'runAt' | 'delayMs'>, now: number): number | null {
  const at = runAt(row, now)
  return at > now ? at : null
}

/** In whole milliseconds, and never earlier than was asked for. */
function runAt({ runAt: at, delayMs }: Pick<NewRow, 'runAt' | 'delayMs'>, now: number): number {
  return Math.ceil(at ?? now + (delayMs ?? 0))
}

function insertOf(columns: string, rows: number): string {
  const row = `(${columns.replaceAll(/\w+/g, '?')})`
  return `INSERT INTO apalis_task (${columns}) VALUES ${Array(rows).fill(row).join(', ')}
    ON CONFLICT (queue, id) DO NOTHING`
}
