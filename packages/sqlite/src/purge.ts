import type { PurgeOptions } from '@apalis/core'
import { deleteRow } from './changes.ts'
import type { Session } from './session.ts'

/** Those that hold their unique key stay. */
export const PURGEABLE = `SELECT seq FROM apalis_task INDEXED BY apalis_task_finished
  WHERE queue = ? AND status = ? AND finished_at <= ?
    AND (key_held IS NULL OR key_until <= ?)
  ORDER BY finished_at, seq LIMIT ? + 0`
const STATUS = { done: 2, killed: 4 } as const

/** See `TaskStore.purge`. */
export function purgeRows(
  session: Session,
  queueName: string,
  { status, olderThanMs, limit }: PurgeOptions,
): number {
  const { sql, queues, effects, now } = session
  const queue = queues.find(queueName)
  if (queue === undefined) return 0
  const rows = sql.rows(PURGEABLE, queue.id, STATUS[status], now - olderThanMs, now, limit)
  for (const [seq] of rows) deleteRow(session, Number(seq))
  effects.count(queue, status, -rows.length)
  return rows.length
}
