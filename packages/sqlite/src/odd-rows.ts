import type { QueueRef } from './queues.ts'
import { ENDED, keepFailure, LANE, tellAwaited } from './ends.ts'
import { statusOf, unusable } from './rows.ts'
import { DONE, FAILED, KILLED, PENDING, RUNNING } from './schema.ts'
import type { Session } from './session.ts'
import { isInstant } from './stored-values.ts'

/** So many are looked at in one beat. */
const AT_ONCE = 100

const NUMBERS = ['attempt', 'attempts', 'epoch', 'rescues', 'releases', 'failures'] as const

/** Killed, and nothing left in it that the next reader stumbles over. */
const KILL = `UPDATE apalis_task SET status = 4, ${ENDED}, worker = NULL, finished_at = ?,
  id = CASE typeof(id) WHEN 'text' THEN id ELSE 'unusable ' || seq END, failures = 0, ${NUMBERS.filter(
    (column) => column !== 'failures',
  )
    .map(
      (column) => `${column} = CASE WHEN typeof(${column}) = 'integer'
    AND ${column} BETWEEN 0 AND 9007199254740990 THEN ${column} ELSE 0 END`,
    )
    .join(', ')}
  WHERE seq = ? RETURNING id, attempt`
const RENAME = "UPDATE apalis_task SET id = 'unusable ' || seq WHERE seq = ? RETURNING id"
const FIND = 'SELECT seq FROM apalis_task WHERE queue = ? AND id = ?'
const STATUS = 'SELECT status FROM apalis_task WHERE seq = ?'
/** The first rows of a lane with numbers that JavaScript has no room for. */
const TOO_LARGE = `SELECT seq FROM (SELECT * FROM apalis_task INDEXED BY apalis_task_ready
    WHERE queue = ? AND lane = ? ORDER BY priority DESC, run_at, seq LIMIT ? + 0)
  WHERE ${['status', 'priority', 'run_at', 'created_at', 'timeout_ms', ...NUMBERS]
    .map((column) => `abs(CAST(${column} AS REAL)) > 9007199254740990`)
    .join(' OR ')}`
/** What {@link sweepOdd} looks for. The condition is word for word that of the index, or it would not be used. */
export const ODD = `SELECT seq, CASE WHEN typeof(status) = 'integer' AND status BETWEEN 0 AND 4
    THEN status END, 
    coalesce(worker BETWEEN 1 AND 9007199254740990, 0), CASE WHEN typeof(run_at) IN ('integer', 'real') THEN
    CAST(run_at AS REAL) END, CAST(status AS TEXT)
  FROM apalis_task INDEXED BY apalis_task_odd WHERE queue = ? AND CASE status
  WHEN 0 THEN CASE lane WHEN 1 THEN 0 WHEN 2 THEN 0 ELSE typeof(due_at) <> 'integer' END
  WHEN 1 THEN NOT coalesce(worker BETWEEN 1 AND 9007199254740990, 0) OR lane IS NOT NULL
  WHEN 2 THEN finished_at IS NULL OR lane IS NOT NULL
  WHEN 3 THEN CASE lane WHEN 1 THEN 0 WHEN 2 THEN 0 ELSE typeof(due_at) <> 'integer' END
  WHEN 4 THEN finished_at IS NULL OR lane IS NOT NULL
  ELSE 1 END LIMIT ? + 0`
const TO_FUTURE = `UPDATE apalis_task SET lane = NULL, due_at = CAST(run_at AS INTEGER),
  run_at = CAST(run_at AS INTEGER), worker = NULL WHERE seq = ?`
const TO_READY = `UPDATE apalis_task SET lane = ${LANE}, due_at = NULL, worker = NULL WHERE seq = ?`
const TO_WAITING = `UPDATE apalis_task SET status = 0, lane = ${LANE}, due_at = NULL, worker = NULL
  WHERE seq = ?`
const TO_RUNNING = 'UPDATE apalis_task SET lane = NULL, due_at = NULL WHERE seq = ?'
const TO_ENDED = `UPDATE apalis_task SET ${ENDED},
  finished_at = CASE WHEN typeof(finished_at) = 'integer' THEN finished_at ELSE ? END WHERE seq = ?`
const RECOUNT = `UPDATE apalis_queue SET pending = c.pending, running = c.running, done = c.done,
  failed = c.failed, killed = c.killed, future = c.future
  FROM (SELECT count(*) FILTER (WHERE status = 0) AS pending,
    count(*) FILTER (WHERE status = 1) AS running, count(*) FILTER (WHERE status = 2) AS done,
    count(*) FILTER (WHERE status = 3) AS failed, count(*) FILTER (WHERE status = 4) AS killed,
    count(*) FILTER (WHERE due_at IS NOT NULL) AS future
    FROM apalis_task WHERE queue = ?) AS c
  WHERE id = ?`

/** Ends a row that waits and cannot be used, saying why in its errors. */
export function killUnusable(session: Session, queue: QueueRef, seq: number, why: string): void {
  const { sql, effects, now } = session
  const status = statusOf(sql.value(STATUS, seq))
  const [found, attempt] = sql.row(KILL, now, seq) ?? []
  if (typeof found !== 'string') return
  const id = isFoundBy(session, queue, seq, found) ? found : String(sql.value(RENAME, seq))
  if (status === undefined) {
    // Nobody knows what it was counted as.
    recount(session, queue)
  } else {
    effects.count(queue, status, -1)
    effects.count(queue, 'killed', 1)
  }
  keepFailure(session, seq, Number(attempt), {
    name: 'DecodeError',
    code: 'ERR_DECODE',
    message: `the stored row of task ${id} cannot be used: ${why}`,
  })
  tellAwaited(session, queue, [id])
}

/**
 * Whether nobody but this row is found by the id that was read of it. What is no UTF-8 is read with U+FFFD in its place, and
 * so found by nobody.
 */
export function isFoundBy(
  { sql }: Pick<Session, 'sql'>,
  queue: QueueRef,
  seq: number,
  id: string,
): boolean {
  return !id.includes('\ufffd') || sql.value(FIND, queue.id, id) === seq
}

/** The same for those of the first rows of a lane that hold too large numbers, which no read gets past. False: there are none. */
export function killTooLarge(
  session: Session,
  queue: QueueRef,
  lane: number,
  limit: number,
): boolean {
  const rows = session.sql.rows(TOO_LARGE, queue.id, lane, limit)
  for (const [seq] of rows) {
    killUnusable(session, queue, Number(seq), 'a number in it is too large')
  }
  return rows.length > 0
}

/** Puts rows in order that were written by hand such that nothing else would find them; kills those that make no sense. */
export function sweepOdd(session: Session, queue: QueueRef): void {
  const rows = session.sql.rows(ODD, queue.id, AT_ONCE)
  if (rows.length === 0) return
  for (const [seq, status, owned, runAt, shown] of rows) {
    mend(session, queue, { seq: Number(seq), status, owned: owned === 1, runAt, shown })
  }
  recount(session, queue)
  session.effects.due(queue)
}

/** Counts the rows of a queue, whoever changed them. */
function recount({ sql, effects }: Session, queue: QueueRef): void {
  sql.run(RECOUNT, queue.id, queue.id)
  effects.recounted(queue)
}

interface OddRow {
  readonly seq: number
  readonly status: unknown
  readonly owned: boolean
  readonly runAt: unknown
  readonly shown: unknown
}

function mend(session: Session, queue: QueueRef, row: OddRow): void {
  const { sql, now } = session
  const { seq, status, owned, runAt, shown } = row
  if (status === DONE || status === KILLED) sql.run(TO_ENDED, now, seq)
  else if (status === RUNNING) sql.run(owned ? TO_RUNNING : TO_WAITING, seq)
  else if (status !== PENDING && status !== FAILED) {
    killUnusable(session, queue, seq, unusable('status', shown))
  } else if (!isInstant(runAt)) killUnusable(session, queue, seq, 'run_at is no instant')
  else sql.run(runAt > now ? TO_FUTURE : TO_READY, seq)
}
