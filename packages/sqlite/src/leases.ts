import {
  type Claim,
  LeaseLostError,
  type Rescued,
  type RescueOptions,
  type StoreBeat,
  type StoreWorker,
  suspectRescues,
  type WorkerRef,
} from '@apalis/core'
import { promote } from './claim.ts'
import { FREED, GIVEN_BACK, keepFailure, tellAwaited } from './ends.ts'
import { sweepOdd } from './odd-rows.ts'
import type { QueueRef } from './queues.ts'
import { SELECT_ROWS, storedRow } from './rows.ts'
import { READY, SUSPECT } from './schema.ts'
import type { Session } from './session.ts'
import { clamped, milliseconds } from './stored-values.ts'

/** So long an ended incarnation is remembered, so that a settle of its own that is repeated is known as such. */
const REMEMBERED_MS = 86_400_000
/** So many due rows are brought to where they can be claimed by a beat. */
const PROMOTED_BY_BEAT = 100

const REGISTER = `INSERT INTO apalis_worker
    (queue, incarnation, name, layers, lease_ms, started_at, beat_at, lease_end)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (queue, incarnation) DO UPDATE SET name = excluded.name, layers = excluded.layers,
    lease_ms = excluded.lease_ms, beat_at = excluded.beat_at, lease_end = excluded.lease_end,
    started_at = CASE WHEN lease_end IS NULL THEN excluded.started_at ELSE started_at END`
const RENEW = `UPDATE apalis_worker SET beat_at = ?, lease_end = ? + lease_ms
  WHERE queue = ? AND incarnation = ? AND lease_end IS NOT NULL
  RETURNING id, ${milliseconds('lease_ms')}`
const PAUSED = 'SELECT paused FROM apalis_queue WHERE id = ?'
export const HELD: string = `SELECT id, ${clamped('epoch')} FROM apalis_task INDEXED BY apalis_task_running
  WHERE queue = ? AND worker = ? AND status = 1`
/** Whether a row can be claimed now, whatever its lane. */
export const ANY_READY = `SELECT 1 FROM apalis_task INDEXED BY apalis_task_ready
  WHERE queue = ? AND lane IS NOT NULL LIMIT 1`
/**
 * Everybody who holds rows of a queue, each found by one step along the index, with the end of the lease: null when it was
 * ended, or when there is no registration at all.
 */
export const HOLDERS: string = `WITH RECURSIVE holder (worker) AS (
    SELECT min(worker) FROM apalis_task INDEXED BY apalis_task_running
      WHERE queue = ? AND status = 1
    UNION ALL
    SELECT (SELECT min(worker) FROM apalis_task INDEXED BY apalis_task_running
      WHERE queue = ? AND status = 1 AND worker > holder.worker)
    FROM holder WHERE holder.worker IS NOT NULL)
  SELECT ${clamped('holder.worker')}, ${milliseconds('w.lease_end')} FROM holder LEFT JOIN apalis_worker w ON w.id = holder.worker
  WHERE holder.worker IS NOT NULL`
const END_LEASE = 'UPDATE apalis_worker SET lease_end = NULL WHERE id = ?'
/** Lapsed workers that hold nothing; the second is for those that nobody has heard of for long. */
const FORGET = `UPDATE apalis_worker SET lease_end = NULL WHERE queue = ? AND lease_end <= ?
  AND NOT EXISTS (SELECT 1 FROM apalis_task INDEXED BY apalis_task_running
    WHERE queue = apalis_worker.queue AND worker = apalis_worker.id AND status = 1)`
const ERASE = `DELETE FROM apalis_worker WHERE queue = ? AND beat_at < ?
  AND (lease_end IS NULL OR lease_end <= ?) AND NOT EXISTS (SELECT 1 FROM apalis_task INDEXED BY apalis_task_running
    WHERE queue = apalis_worker.queue AND worker = apalis_worker.id AND status = 1)`
const HELD_ROWS = `SELECT seq, id, ${clamped('rescues')}, ${clamped('attempt')} FROM apalis_task INDEXED BY apalis_task_running
  WHERE queue = ? AND worker = ? AND status = 1 ORDER BY seq LIMIT ? + 0`
/** The lane is that of the rescue that is being counted. */
const RESCUE = `UPDATE apalis_task SET rescues = rescues + 1, status = 0, attempt = attempt - 1,
  lane = CASE WHEN rescues + 1 >= ${suspectRescues} THEN ${SUSPECT} ELSE ${READY} END, worker = NULL WHERE seq = ?`
const POISON = `UPDATE apalis_task SET rescues = rescues + 1, status = 4, attempt = attempt - 1,
  finished_at = ?, worker = NULL, ${FREED} WHERE seq = ?`
/** Also one whose lease a rescue has ended, and that still holds what went over the limit of that. */
const FIND_WORKER = 'SELECT id FROM apalis_worker WHERE queue = ? AND incarnation = ?'
const GIVE_BACK = `UPDATE apalis_task SET ${GIVEN_BACK}, worker = NULL
  WHERE seq IN (SELECT seq FROM apalis_task INDEXED BY apalis_task_running
    WHERE queue = ? AND worker = ? AND status = 1)`

/** See `TaskStore.register`. */
export function registerWorker(
  { sql, queues, now }: Session,
  { id, queue: name, name: workerName, leaseMs, layers }: StoreWorker,
): void {
  const queue = queues.open(name)
  const lease = Math.ceil(leaseMs)
  sql.run(REGISTER, queue.id, id, workerName, JSON.stringify(layers), lease, now, now, now + lease)
  // Whoever comes looks after those who went, so that they do not pile up where nobody ever dies.
  sql.run(ERASE, queue.id, now - REMEMBERED_MS, now)
}

/** See `TaskStore.beat`. */
export function beat(session: Session, { id, queue: name }: WorkerRef): StoreBeat {
  const { sql, queues, now } = session
  const queue = queues.find(name)
  const [worker, leaseMs] = (queue && sql.row(RENEW, now, now, queue.id, id)) ?? []
  if (queue === undefined || typeof worker !== 'number' || typeof leaseMs !== 'number') {
    throw new LeaseLostError(id)
  }
  sweepOdd(session, queue)
  const paused = sql.value(PAUSED, queue.id) !== 0
  const dueIn = paused ? undefined : nextDueIn(session, queue)
  const rescueIn = nextRescueIn(session, queue, worker)
  return {
    leaseMs,
    held: sql.rows(HELD, queue.id, worker).map(toClaim),
    paused,
    ...(dueIn !== undefined && { dueIn }),
    ...(rescueIn !== undefined && { rescueIn }),
  }
}

function toClaim([id, epoch]: readonly unknown[]): Claim {
  return { id: String(id), epoch: Number(epoch) }
}

function nextDueIn(session: Session, queue: QueueRef): number | undefined {
  const { sql, now } = session
  const next = promote(session, queue, PROMOTED_BY_BEAT)
  if (sql.row(ANY_READY, queue.id) !== undefined) return 0
  return next === undefined ? undefined : Math.max(0, next - now)
}

function nextRescueIn(session: Session, queue: QueueRef, own: number): number | undefined {
  const { now } = session
  let soonest: number | undefined
  for (const { worker, leaseEnd } of holders(session, queue)) {
    if (worker === own) continue
    const left = Math.max(0, (leaseEnd ?? now) - now)
    if (soonest === undefined || left < soonest) soonest = left
  }
  return soonest
}

interface Holder {
  readonly worker: number | string
  /** Undefined: no lease. */
  readonly leaseEnd: number | undefined
}

function holders({ sql }: Session, queue: QueueRef): readonly Holder[] {
  return sql.rows(HOLDERS, queue.id, queue.id).map(([worker, leaseEnd]) => ({
    // What somebody wrote there by hand is nobody's name, and is swept like one who is gone.
    worker: worker as number | string,
    leaseEnd: typeof leaseEnd === 'number' ? leaseEnd : undefined,
  }))
}

/** See `TaskStore.rescue`. */
export function rescueRows(
  session: Session,
  name: string,
  limit: number,
  options: RescueOptions,
): readonly Rescued[] {
  const { sql, queues, now } = session
  const queue = queues.find(name)
  if (queue === undefined) return []
  sql.run(FORGET, queue.id, now)
  const rescued: Rescued[] = []
  for (const { worker, leaseEnd } of holders(session, queue)) {
    if (rescued.length >= limit) break
    if (leaseEnd !== undefined && now < leaseEnd) continue
    sql.run(END_LEASE, worker)
    const rows = sql.rows(HELD_ROWS, queue.id, worker, limit - rescued.length)
    for (const row of rows) rescued.push(rescue(session, queue, row, options))
  }
  return rescued
}

function rescue(
  session: Session,
  queue: QueueRef,
  [seq, id, rescues, attempt]: readonly unknown[],
  { maxRescues, poison }: RescueOptions,
): Rescued {
  const { sql, effects, now } = session
  const number = Number(seq)
  const kills = Number(rescues) + 1 >= maxRescues
  effects.count(queue, 'running', -1)
  effects.count(queue, kills ? 'killed' : 'pending', 1)
  if (kills) {
    sql.run(POISON, now, number)
    keepFailure(session, number, Number(attempt), poison)
    tellAwaited(session, queue, [String(id)])
  } else {
    sql.run(RESCUE, number)
    effects.due(queue)
  }
  const { row } = storedRow(sql.row(`${SELECT_ROWS} WHERE t.seq = ?`, number) ?? [])
  return { row, outcome: kills ? 'killed' : 'pending' }
}

/** See `TaskStore.leave`. */
export function leave({ sql, queues, effects }: Session, { id, queue: name }: WorkerRef): void {
  const queue = queues.find(name)
  const worker = queue && sql.value(FIND_WORKER, queue.id, id)
  if (queue === undefined || typeof worker !== 'number') return
  sql.run(END_LEASE, worker)
  const released = sql.run(GIVE_BACK, queue.id, worker)
  if (released === 0) return
  effects.count(queue, 'running', -released)
  effects.count(queue, 'pending', released)
  effects.due(queue)
}
