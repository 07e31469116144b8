import type { StoreOutcome, StoreSettled, StoreSettlement, WorkerRef } from '@apalis/core'
import { FREED, GIVEN_BACK, keepFailure, LANE, tellAwaited } from './ends.ts'
import type { Counted } from './effects.ts'
import type { QueueRef } from './queues.ts'
import { codeOf } from './rows.ts'
import type { Session } from './session.ts'
import { clamped } from './stored-values.ts'

const WORKER = 'SELECT id FROM apalis_worker WHERE queue = ? AND incarnation = ?'

/** The fence: nothing is written unless the claim is the one that the row was last given out under. */
const FENCE = 'WHERE queue = ? AND id = ? AND epoch = ? AND status = 1 AND worker = ?'
export const SETTLE_DONE: string = `UPDATE apalis_task
  SET status = 2, finished_at = ?, releases = 0, result = ?, ${FREED} ${FENCE}`
const SETTLE_KILLED = `UPDATE apalis_task SET status = 4, finished_at = ?, releases = 0, ${FREED}
  ${FENCE} RETURNING seq, ${clamped('attempt')}`
const SETTLE_FAILED = `UPDATE apalis_task SET status = 3, run_at = ?, lane = CASE ? WHEN 1 THEN ${LANE} END,
  due_at = ?, releases = 0 ${FENCE} RETURNING seq, ${clamped('attempt')}`
const SETTLE_GIVEN_BACK = `UPDATE apalis_task SET ${GIVEN_BACK}
  ${FENCE} RETURNING seq, ${clamped('attempt + 1')}`
const SETTLE_DEFERRED = `UPDATE apalis_task SET status = 0, run_at = ?, lane = CASE ? WHEN 1 THEN ${LANE} END,
  due_at = ?, attempt = attempt - 1, releases = releases + 1 ${FENCE} RETURNING seq, ${clamped('attempt + 1')}`
/** The row shows this outcome of this claim. Compared by SQLite: what stands there may be anything. */
const REPEATED = `SELECT 1 FROM apalis_task
  WHERE queue = ? AND id = ? AND epoch = ? AND worker = ? AND status = ?`

/** See `TaskStore.settle`. */
export function settleRows(
  session: Session,
  { queue: queueName, id: incarnation }: WorkerRef,
  settlements: readonly StoreSettlement[],
): readonly StoreSettled[] {
  const queue = session.queues.find(queueName)
  // Also one that has left: what it has settled may be repeated.
  const worker = queue && session.sql.value(WORKER, queue.id, incarnation)
  if (queue === undefined || typeof worker !== 'number') return settlements.map(() => 'stale')
  const ended: string[] = []
  const settled = settlements.map((settlement): StoreSettled => {
    const became = write(session, queue, worker, settlement)
    if (became === undefined) return verdict(session, queue, worker, settlement)
    session.effects.count(queue, 'running', -1)
    session.effects.count(queue, became.status, 1)
    if (became.status === 'done' || became.status === 'killed') ended.push(settlement.id)
    else session.effects.due(queue)
    if (became.future) session.effects.count(queue, 'future', 1)
    return 'applied'
  })
  tellAwaited(session, queue, ended)
  return settled
}

interface Became {
  readonly status: Counted & ('pending' | 'done' | 'failed' | 'killed')
  /** It is not due yet. */
  readonly future: boolean
}

/** Undefined: the claim is not that of the row. */
function write(
  session: Session,
  queue: QueueRef,
  worker: number,
  { id, epoch, outcome }: StoreSettlement,
): Became | undefined {
  const { sql, now } = session
  const fence = [queue.id, id, epoch, worker] as const
  switch (outcome.type) {
    case 'done': {
      const changed = sql.run(SETTLE_DONE, now, outcome.result ?? null, ...fence)
      return changed === 0 ? undefined : { status: 'done', future: false }
    }
    case 'killed': {
      const row = sql.row(SETTLE_KILLED, now, ...fence)
      return row && keep(session, row, outcome, { status: 'killed', future: false })
    }
    case 'failed': {
      const { runAt, ready, dueAt } = after(now, outcome.retryInMs)
      const row = sql.row(SETTLE_FAILED, runAt, ready, dueAt, ...fence)
      return row && keep(session, row, outcome, { status: 'failed', future: ready === 0 })
    }
    case 'released': {
      if (outcome.dueInMs === 0) {
        const row = sql.row(SETTLE_GIVEN_BACK, ...fence)
        return row && keep(session, row, outcome, { status: 'pending', future: false })
      }
      const { runAt, ready, dueAt } = after(now, outcome.dueInMs)
      const row = sql.row(SETTLE_DEFERRED, runAt, ready, dueAt, ...fence)
      return row && keep(session, row, outcome, { status: 'pending', future: ready === 0 })
    }
  }
}

/** Keeps the outcome's error, if it has one. */
function keep(
  session: Session,
  [seq, attempt]: readonly unknown[],
  outcome: Exclude<StoreOutcome, { readonly type: 'done' }>,
  became: Became,
): Became {
  if (outcome.error !== undefined) {
    keepFailure(session, Number(seq), Number(attempt), outcome.error)
  }
  return became
}

/** When a row is due again; what is due now goes to a lane at once. */
function after(
  now: number,
  ms: number,
): { readonly runAt: number; readonly ready: 0 | 1; readonly dueAt: number | null } {
  const runAt = Math.ceil(now + ms)
  return runAt <= now ? { runAt, ready: 1, dueAt: null } : { runAt, ready: 0, dueAt: runAt }
}

/** Why a settlement was not applied: it was before, or the claim is somebody else's. */
function verdict(
  { sql }: Session,
  queue: QueueRef,
  worker: number,
  { id, epoch, outcome }: StoreSettlement,
): StoreSettled {
  const shown = codeOf(outcome.type === 'released' ? 'pending' : outcome.type)
  const row = sql.row(REPEATED, queue.id, id, epoch, worker, shown)
  return row === undefined ? 'stale' : 'repeated'
}
