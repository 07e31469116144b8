import { type StoredError, suspectRescues } from '@apalis/core'
import type { QueueRef } from './queues.ts'
import { READY, SUSPECT } from './schema.ts'
import type { Session } from './session.ts'
import { addFailure, parseFailures } from './stored-values.ts'

/** At the end of a row its key is free again, unless that has a time of its own. */
export const FREED = 'key_held = CASE WHEN key_until IS NULL THEN NULL ELSE key_held END'

/** What changes of a row that ends while it waits. */
export const ENDED: string = `lane = NULL, due_at = NULL, ${FREED}`

/** The lane of a row that is due. */
export const LANE: string = `CASE WHEN rescues >= ${suspectRescues} THEN ${SUSPECT} ELSE ${READY} END`

/** Back to whoever claims next: due as it was, hence in its place, the run not counted. */
export const GIVEN_BACK: string = `status = 0, lane = ${LANE}, attempt = attempt - 1`

const ANY_AWAITED = 'SELECT 1 FROM apalis_awaited WHERE queue = ? LIMIT 1'
const FORGET_AWAITED = 'DELETE FROM apalis_awaited WHERE queue = ? AND id = ?'
/** Those of a row that has none were left by another, which somebody deleted by hand. */
const FAILURES = `SELECT f.failures FROM apalis_failure f JOIN apalis_task t ON t.seq = f.task
  WHERE f.task = ? AND t.failures <> 0`
const KEEP_FAILURES = `INSERT INTO apalis_failure (task, failures) VALUES (?, ?)
  ON CONFLICT (task) DO UPDATE SET failures = excluded.failures`
const COUNT_FAILURES = 'UPDATE apalis_task SET failures = ? WHERE seq = ?'

/** Tells of those among these rows, which have ended or are gone, that somebody waits for. */
export function tellAwaited(
  { sql, effects }: Session,
  queue: QueueRef,
  ids: readonly string[],
): void {
  if (ids.length === 0 || sql.row(ANY_AWAITED, queue.id) === undefined) return
  for (const id of ids) {
    if (sql.run(FORGET_AWAITED, queue.id, id) > 0) effects.task('settled', queue, id)
  }
}

/** Adds a failed run to those that are kept of a row. */
export function keepFailure(
  { sql, now }: Session,
  seq: number,
  attempt: number,
  error: StoredError,
): void {
  const kept = parseFailures(sql.value(FAILURES, seq)) ?? []
  const failures = addFailure(kept, error, { at: now, attempt })
  sql.run(KEEP_FAILURES, seq, JSON.stringify(failures))
  sql.run(COUNT_FAILURES, failures.length, seq)
}
