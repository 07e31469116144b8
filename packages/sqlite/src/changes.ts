import type { Changed, Retried, RowChanges, StoredError } from '@apalis/core'
import { ENDED, GIVEN_BACK, keepFailure, LANE, tellAwaited } from './ends.ts'
import { checkOrder, keepArgs, keyHolder } from './insert.ts'
import type { QueueRef } from './queues.ts'
import { statusOf } from './rows.ts'
import type { Session } from './session.ts'
import { clamped } from './stored-values.ts'

const FIND = `SELECT seq, ${clamped('status')}, ${clamped('attempt')}, due_at IS NOT NULL,
  ${clamped('run_at')}, unique_key, ${clamped('key_until')}
  FROM apalis_task WHERE queue = ? AND id = ?`
const UPDATE = `UPDATE apalis_task SET priority = coalesce(?, priority), run_at = ?,
  lane = CASE ? WHEN 1 THEN ${LANE} END, due_at = ?, metadata = coalesce(?, metadata)
  WHERE seq = ?`
const KILL = `UPDATE apalis_task SET status = 4, finished_at = ?, worker = NULL, ${ENDED}
  WHERE seq = ?`
const TAKE = `UPDATE apalis_task SET ${GIVEN_BACK}, worker = NULL WHERE seq = ?`
const REVIVE = `UPDATE apalis_task SET status = 0, attempt = CASE ? WHEN 1 THEN 0 ELSE attempt END,
  rescues = 0, releases = 0, run_at = ?, lane = 1, due_at = NULL, worker = NULL, finished_at = NULL,
  key_held = ? WHERE seq = ?`
const DELETE = 'DELETE FROM apalis_task WHERE seq = ?'
const DELETE_PAYLOAD = 'DELETE FROM apalis_payload WHERE task = ?'
const DELETE_FAILURES = 'DELETE FROM apalis_failure WHERE task = ?'
const PAUSE = `UPDATE apalis_queue SET paused = ?, switches = switches + 1
  WHERE id = ? AND paused <> ?`

interface FoundRow {
  readonly queue: QueueRef
  readonly seq: number
  /** What nobody knows any more is as good as killed: it can be retried and removed. */
  readonly status: 'pending' | 'running' | 'done' | 'failed' | 'killed'
  readonly attempt: number
  readonly future: boolean
  readonly runAt: number
  readonly uniqueKey: string | undefined
  readonly keyUntil: number | undefined
}

/** See `TaskStore.update`. */
export function updateRow(
  session: Session,
  queueName: string,
  id: string,
  { args, priority, runAt: at, delayMs, metadata }: RowChanges,
): Changed {
  const { sql, effects, now } = session
  const row = find(session, queueName, id)
  if (row?.status !== 'pending' && row?.status !== 'failed') return unchanged(row)
  const wanted = delayMs === undefined ? (at ?? row.runAt) : now + delayMs
  checkOrder('update', { id, runAt: wanted, ...(priority !== undefined && { priority }) })
  const runAt = Math.ceil(wanted)
  const future = runAt > now
  const text = metadata === undefined ? null : JSON.stringify(metadata)
  sql.run(UPDATE, priority ?? null, runAt, future ? 0 : 1, future ? runAt : null, text, row.seq)
  if (args !== undefined) keepArgs(sql, row.seq, args)
  effects.count(row.queue, 'future', Number(future) - Number(row.future))
  effects.due(row.queue)
  return { changed: true }
}

/** See `TaskStore.kill`. */
export function killRow(
  session: Session,
  queueName: string,
  id: string,
  error: StoredError,
): boolean {
  const { sql, effects, now } = session
  const row = find(session, queueName, id)
  if (row === undefined || row.status === 'done' || row.status === 'killed') return false
  sql.run(KILL, now, row.seq)
  keepFailure(session, row.seq, row.attempt, error)
  count(session, row, -1)
  effects.count(row.queue, 'killed', 1)
  if (row.status === 'running') effects.task('killed', row.queue, id)
  tellAwaited(session, row.queue, [id])
  return true
}

/** See `TaskStore.take`. */
export function takeRow(session: Session, queueName: string, id: string): boolean {
  const { sql, effects } = session
  const row = find(session, queueName, id)
  if (row?.status !== 'running') return false
  sql.run(TAKE, row.seq)
  count(session, row, -1)
  effects.count(row.queue, 'pending', 1)
  effects.due(row.queue)
  return true
}

/** See `TaskStore.retry`. */
export function retryRow(
  session: Session,
  queueName: string,
  id: string,
  { resetAttempts }: { readonly resetAttempts: boolean },
): Retried {
  const { sql, effects, now } = session
  const row = find(session, queueName, id)
  if (row?.status !== 'killed') return unchanged(row)
  const holds = row.uniqueKey !== undefined && (row.keyUntil === undefined || now < row.keyUntil)
  const holder = holds ? keyHolder(sql, row.queue, row.uniqueKey, now) : undefined
  if (holder !== undefined && holder.seq !== row.seq) return { changed: false, holder: holder.id }
  sql.run(REVIVE, resetAttempts ? 1 : 0, now, holds ? 1 : null, row.seq)
  count(session, row, -1)
  effects.count(row.queue, 'pending', 1)
  effects.due(row.queue)
  return { changed: true }
}

/** See `TaskStore.remove`. */
export function removeRow(session: Session, queueName: string, id: string): Changed {
  const row = find(session, queueName, id)
  if (row === undefined || row.status === 'running') return unchanged(row)
  deleteRow(session, row.seq)
  count(session, row, -1)
  tellAwaited(session, row.queue, [id])
  return { changed: true }
}

/** Deletes a row with all that belongs to it. */
export function deleteRow({ sql }: Session, seq: number): void {
  sql.run(DELETE, seq)
  sql.run(DELETE_PAYLOAD, seq)
  sql.run(DELETE_FAILURES, seq)
}

/** See `TaskStore.pause`. */
export function pauseQueue(
  { sql, queues, effects }: Session,
  queueName: string,
  on: boolean,
): void {
  const queue = on ? queues.open(queueName) : queues.find(queueName)
  if (queue === undefined) return
  const paused = on ? 1 : 0
  if (sql.run(PAUSE, paused, queue.id, paused) > 0) effects.paused(queue, on)
}

function find({ sql, queues }: Session, queueName: string, id: string): FoundRow | undefined {
  const queue = queues.find(queueName)
  const values = queue && sql.row(FIND, queue.id, id)
  if (queue === undefined || values === undefined) return undefined
  const [seq, status, attempt, future, runAt, uniqueKey, keyUntil] = values
  return {
    queue,
    seq: Number(seq),
    status: statusOf(status) ?? 'killed',
    attempt: Number(attempt),
    future: future === 1,
    runAt: Number(runAt),
    uniqueKey: typeof uniqueKey === 'string' ? uniqueKey : undefined,
    keyUntil: typeof keyUntil === 'number' ? keyUntil : undefined,
  }
}

/** Counts a row where it stands, or stood. */
function count({ effects }: Session, { queue, status, future }: FoundRow, by: number): void {
  effects.count(queue, status, by)
  if (future) effects.count(queue, 'future', by)
}

function unchanged(row: FoundRow | undefined): Changed {
  return row === undefined ? { changed: false } : { changed: false, status: row.status }
}
