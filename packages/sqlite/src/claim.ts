import { type Claimed, type ClaimedRow, LeaseLostError, type WorkerRef } from '@apalis/core'
import { isFoundBy, killTooLarge, killUnusable } from './odd-rows.ts'
import type { QueueRef } from './queues.ts'
import { unusable, WAITING_COLUMNS, type WaitingRow, waitingRow } from './rows.ts'
import { READY, SUSPECT } from './schema.ts'
import type { Session } from './session.ts'
import { isTooLargeNumber } from './sqlite-errors.ts'
import { milliseconds, parseFailures } from './stored-values.ts'
import { LANE } from './ends.ts'

/** So many due rows at least are brought to where they can be claimed at a time. */
const PROMOTED_AT_ONCE = 1_000

const LEASE = `SELECT w.id, ${milliseconds('w.lease_end')}, q.paused FROM apalis_worker w
  JOIN apalis_queue q ON q.id = w.queue WHERE w.queue = ? AND w.incarnation = ?`

/** When the next row that is not due yet will be. */
export const NEXT_DUE = `SELECT due_at FROM apalis_task INDEXED BY apalis_task_future
  WHERE queue = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT 1`
/** Brings rows that have become due to where they can be claimed, those due longest first. */
export const PROMOTE: string = `UPDATE apalis_task SET lane = ${LANE}, due_at = NULL
  WHERE seq IN (SELECT seq FROM apalis_task INDEXED BY apalis_task_future
    WHERE queue = ? AND due_at <= ? ORDER BY due_at LIMIT ? + 0)`
/**
 * The rows to claim, in order: a walk along the index from its first entry for the lane. The sum keeps SQLite from planning
 * anew for each value that is bound as a limit, which takes longer than the walk.
 */
export const NEXT_ROWS: string = `SELECT ${WAITING_COLUMNS} FROM apalis_task INDEXED BY apalis_task_ready
  WHERE queue = ? AND lane = ? ORDER BY priority DESC, run_at, seq LIMIT ? + 0`
/** A due_at is there only if somebody wrote it by hand; left there, it would let the row be claimed twice. */
const CLAIM = `status = 1, lane = NULL, due_at = NULL, epoch = epoch + 1, attempt = attempt + 1,
  worker = ?, locked_at = ?`
const CLAIM_ONE = `UPDATE apalis_task SET ${CLAIM} WHERE seq = ?`
/** By number: which rows were found by the walk, in its order, is known. */
export const CLAIM_MANY: string = `UPDATE apalis_task SET ${CLAIM}
  WHERE seq IN (SELECT value FROM json_each(?))`
const PAYLOAD = 'SELECT args FROM apalis_payload WHERE task = ?'
const FAILURES = 'SELECT failures FROM apalis_failure WHERE task = ?'

/** The lease of an incarnation. */
export interface HeldLease {
  readonly queue: QueueRef
  /** What rows know the incarnation by. */
  readonly worker: number
  readonly paused: boolean
}

/** The lease of an incarnation; throws a `LeaseLostError` when it is not live. */
export function liveLease(
  { sql, queues, now }: Session,
  { id, queue: name }: WorkerRef,
): HeldLease {
  const queue = queues.find(name)
  const [worker, end, paused] = (queue && sql.row(LEASE, queue.id, id)) ?? []
  if (
    queue === undefined ||
    typeof worker !== 'number' ||
    !(typeof end === 'number' && now < end)
  ) {
    throw new LeaseLostError(id)
  }
  return { queue, worker, paused: paused !== 0 }
}

/** See `TaskStore.claim`. */
export function claimRows(
  session: Session,
  { queue, worker, paused }: HeldLease,
  limit: number,
  suspects: 0 | 1,
): Claimed {
  if (paused) return { rows: [] }
  const nextDue = promote(session, queue, Math.max(limit, PROMOTED_AT_ONCE))
  const rows = take(session, queue, worker, limit, suspects)
  return { rows, ...(nextDue !== undefined && { dueIn: Math.max(0, nextDue - session.now) }) }
}

/** Makes due rows claimable; gives back when the next one is due that is not. */
export function promote(session: Session, queue: QueueRef, most: number): number | undefined {
  const { sql, effects, now } = session
  let next = nextDueAt(session, queue)
  if (next !== undefined && next <= now) {
    effects.count(queue, 'future', -sql.run(PROMOTE, queue.id, now, most))
    next = nextDueAt(session, queue)
  }
  return next
}

/** When the next row is due that cannot be claimed yet. */
export function nextDueAt({ sql }: Pick<Session, 'sql'>, queue: QueueRef): number | undefined {
  try {
    const next = sql.value(NEXT_DUE, queue.id)
    // Whatever else somebody wrote there is for the beat to find.
    return typeof next === 'number' ? next : undefined
  } catch (error) {
    if (isTooLargeNumber(error)) return undefined
    throw error
  }
}

function take(
  session: Session,
  queue: QueueRef,
  worker: number,
  limit: number,
  suspects: 0 | 1,
): readonly ClaimedRow[] {
  const { sql, effects, now } = session
  for (;;) {
    const waiting = merge(
      read(session, queue, READY, limit),
      suspects === 0 ? [] : read(session, queue, SUSPECT, suspects),
      limit,
    )
    // What cannot be used is out of the way now: others may take its place.
    if (waiting === undefined || !complete(session, queue, waiting)) continue
    const [first] = waiting
    if (first === undefined) return []
    if (waiting.length === 1) sql.run(CLAIM_ONE, worker, now, first.seq)
    else sql.run(CLAIM_MANY, worker, now, JSON.stringify(waiting.map(({ seq }) => seq)))
    const failed = waiting.filter(({ status }) => status === 'failed').length
    effects.count(queue, 'failed', -failed)
    effects.count(queue, 'pending', failed - waiting.length)
    effects.count(queue, 'running', waiting.length)
    for (const { row } of waiting) {
      row.epoch += 1
      row.attempt += 1
      row.lockedAt = now
    }
    return waiting.map(({ row }) => row)
  }
}

/** The first rows of a lane; undefined: some could not be used, and were killed. */
function read(
  session: Session,
  queue: QueueRef,
  lane: number,
  limit: number,
): readonly WaitingRow[] | undefined {
  try {
    const rows: WaitingRow[] = []
    let usable = true
    for (const values of session.sql.rows(NEXT_ROWS, queue.id, lane, limit)) {
      const row = waitingRow(values)
      if (typeof row === 'string') {
        usable = refuse(session, queue, Number(values[0]), row)
      } else if (!isFoundBy(session, queue, row.seq, row.row.id)) {
        usable = refuse(session, queue, row.seq, 'its id is no UTF-8')
      } else {
        rows.push(row)
      }
    }
    return usable ? rows : undefined
  } catch (error) {
    if (!isTooLargeNumber(error) || !killTooLarge(session, queue, lane, limit)) throw error
    return undefined
  }
}

/** The first `limit` of both, in the order of claims. */
function merge(
  ready: readonly WaitingRow[] | undefined,
  suspects: readonly WaitingRow[] | undefined,
  limit: number,
): readonly WaitingRow[] | undefined {
  if (ready === undefined || suspects === undefined || suspects.length === 0) {
    return suspects && ready
  }
  return [...ready, ...suspects].toSorted(byClaim).slice(0, limit)
}

function byClaim(one: WaitingRow, other: WaitingRow): number {
  return (
    other.row.priority - one.row.priority || one.row.runAt - other.row.runAt || one.seq - other.seq
  )
}

/** Reads what is kept apart from the rows. False: some could not be used, and were killed. */
function complete(session: Session, queue: QueueRef, rows: readonly WaitingRow[]): boolean {
  let usable = true
  for (const { seq, row, hasPayload, hasFailures } of rows) {
    if (hasPayload) {
      const args = session.sql.value(PAYLOAD, seq)
      if (typeof args === 'string') row.args = args
      else usable = refuse(session, queue, seq, unusable('args', args))
    }
    if (hasFailures) {
      const errors = parseFailures(session.sql.value(FAILURES, seq))
      if (errors !== undefined) row.errors = errors
      else usable = refuse(session, queue, seq, 'apalis_failure has no list of failed runs for it')
    }
  }
  return usable
}

function refuse(session: Session, queue: QueueRef, seq: number, why: string): false {
  killUnusable(session, queue, seq, why)
  return false
}
