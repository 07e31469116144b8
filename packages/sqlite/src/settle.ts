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
/** Several of one epoch without results. Each is one step in the index of ids, however many a worker holds. */
export const SETTLE_MANY_DONE: string = `UPDATE apalis_task INDEXED BY apalis_task_id
  SET status = 2, finished_at = ?, releases = 0, ${FREED} WHERE queue = ?
    AND id IN (SELECT value FROM json_each(?)) AND epoch = ? AND status = 1 AND worker = ?`
const SETTLE_KILLED = `UPDATE apalis_task SET status = 4, finished_at = ?, releases = 0, ${FREED}
  ${FENCE} RETURNING seq, ${clamped('attempt')}`
const SETTLE_FAILED = `UPDATE apalis_task SET status = 3, run_at = ?, lane = CASE ? WHEN 1 THEN ${LANE} END,
  due_at = ?, releases = 0 ${FENCE} RETURNING seq, ${clamped('attempt')}`
const SETTLE_GIVEN_BACK = `UPDATE apalis_task SET ${GIVEN_BACK}
  ${FENCE} RETURNING seq, ${clamped('attempt + 1')}`
const SETTLE_DEFERRED = `UPDATE apalis_task SET status = 0, run_at = ?, lane = CASE ? WHEN 1 THEN ${LANE} END,
  due_at = ?, attempt = attempt - 1, releases = releases + 1 ${FENCE} RETURNING seq, ${clamped('attempt + 1')}`
/** Fewer are not worth a statement of their own kind. */
const LEAST_TOGETHER = 4
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
  const settled: StoreSettled[] = []
  for (let from = 0; from < settlements.length;) {
    const alike = plainRun(settlements, from)
    from += alike.length
    if (settleMany(session, queue, worker, alike)) {
      for (const { id } of alike) {
        settled.push('applied')
        ended.push(id)
      }
      continue
    }
    for (const settlement of alike) {
      const became = write(session, queue, worker, settlement)
      if (became === undefined) {
        settled.push(verdict(session, queue, worker, settlement))
        continue
      }
      settled.push('applied')
      session.effects.count(queue, 'running', -1)
      session.effects.count(queue, became.status, 1)
      if (became.status === 'done' || became.status === 'killed') ended.push(settlement.id)
      else session.effects.due(queue)
      if (became.future) session.effects.count(queue, 'future', 1)
    }
  }
  tellAwaited(session, queue, ended)
  return settled
}

/** Those from here on that one statement could settle; else the next one alone. */
function plainRun(
  settlements: readonly StoreSettlement[],
  from: number,
): readonly StoreSettlement[] {
  const epoch = settlements[from]?.epoch
  let to = from
  for (let next = settlements[to]; next !== undefined; next = settlements[to]) {
    const { outcome } = next
    if (outcome.type !== 'done' || outcome.result !== undefined || next.epoch !== epoch) break
    to += 1
  }
  return settlements.slice(from, Math.max(to, from + 1))
}

/** Settles all of a run. False: not every one could be, and nothing was written. */
function settleMany(
  { sql, effects, now }: Session,
  queue: QueueRef,
  worker: number,
  run: readonly StoreSettlement[],
): boolean {
  const [first] = run
  if (first === undefined || run.length < LEAST_TOGETHER) return false
  const ids = JSON.stringify(run.map(({ id }) => id))
  sql.run('SAVEPOINT apalis_many')
  const settled = sql.run(SETTLE_MANY_DONE, now, queue.id, ids, first.epoch, worker)
  if (settled < run.length) sql.run('ROLLBACK TO apalis_many')
  sql.run('RELEASE apalis_many')
  if (settled < run.length) return false
  effects.count(queue, 'running', -settled)
  effects.count(queue, 'done', settled)
  return true
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
