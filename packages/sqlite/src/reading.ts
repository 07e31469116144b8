import type { Counts, ListFilter, QueueState, Row, WorkerRow } from '@apalis/core'
import type { QueueRef } from './queues.ts'
import { READY, SUSPECT } from './schema.ts'
import type { Statements } from './statements.ts'
import type { Reading, Session } from './session.ts'
import { codeOf, SELECT_ROWS, type StoredRow, storedRow } from './rows.ts'
import { clamped, isWhole, milliseconds, parseNames } from './stored-values.ts'

const BY_ID = `${SELECT_ROWS} WHERE t.queue = ? AND t.id = ?`
const AWAIT = 'INSERT OR IGNORE INTO apalis_awaited (queue, id) VALUES (?, ?)'
const COUNTS = `SELECT ${['pending', 'running', 'done', 'failed', 'killed', 'future'].map(clamped).join(', ')}
  FROM apalis_queue WHERE id = ?`
const BECOME_DUE = `SELECT count(*), ${clamped('min(due_at)')} FROM apalis_task INDEXED BY apalis_task_future
  WHERE queue = ? AND due_at <= ?`
/** The longest waiting of each lane and priority, each found by one step along the index. */
const OLDEST = `WITH RECURSIVE stair (priority) AS (
    SELECT * FROM (SELECT priority FROM apalis_task INDEXED BY apalis_task_ready
      WHERE queue = ? AND lane = ? ORDER BY priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT t.priority FROM apalis_task t INDEXED BY apalis_task_ready
      WHERE t.queue = ? AND t.lane = ? AND t.priority < stair.priority
      ORDER BY t.priority DESC LIMIT 1)
    FROM stair WHERE stair.priority IS NOT NULL)
  SELECT min((SELECT ${clamped('t.run_at')} FROM apalis_task t INDEXED BY apalis_task_ready
    WHERE t.queue = ? AND t.lane = ? AND t.priority = stair.priority ORDER BY t.run_at LIMIT 1))
  FROM stair WHERE stair.priority IS NOT NULL`
const QUEUES = `SELECT name, paused FROM apalis_queue q
  WHERE paused <> 0 OR EXISTS (SELECT 1 FROM apalis_task WHERE queue = q.id) ORDER BY id`
const WORKERS = `SELECT w.incarnation, q.name, w.name, w.layers,
    ${['lease_ms', 'started_at', 'beat_at', 'lease_end'].map((column) => milliseconds(`w.${column}`)).join(', ')},
    (SELECT count(*) FROM apalis_task t INDEXED BY apalis_task_running
      WHERE t.queue = w.queue AND t.worker = w.id AND t.status = 1)
  FROM apalis_worker w JOIN apalis_queue q ON q.id = w.queue
  WHERE w.lease_end IS NOT NULL AND (? IS NULL OR q.name = ?) ORDER BY w.id`

/** A row by its id, with whether its end is signalled. */
export function readRow(
  { sql, queues }: Reading,
  queueName: string,
  id: string,
): StoredRow | undefined {
  const queue = queues.find(queueName)
  const values = queue && sql.row(BY_ID, queue.id, id)
  return values && storedRow(values)
}

/** Reads a row and marks it awaited, unless it has ended. */
export function watchRow(session: Session, queueName: string, id: string): Row | undefined {
  const found = readRow(session, queueName, id)
  const status = found?.row.status
  if (status === undefined || status === 'done' || status === 'killed') return found?.row
  const { sql, queues } = session
  sql.run(AWAIT, queues.open(queueName).id, id)
  return found?.row
}

/** See `TaskStore.count`. */
export function countRows({ sql, queues, now }: Reading, queueName: string): Counts {
  const queue = queues.find(queueName)
  const values = (queue && sql.row(COUNTS, queue.id)) ?? []
  const [pending = 0, running = 0, done = 0, failed = 0, killed = 0, future = 0] = values.map(
    (value) => (isWhole(value, 0) ? value : 0),
  )
  const counts = { pending, running, done, failed, killed }
  if (queue === undefined) return { ...counts, due: 0 }
  const [become, firstDueAt] = sql.row(BECOME_DUE, queue.id, now) ?? []
  const oldest = [
    firstDueAt,
    ...[READY, SUSPECT].map((lane) => oldestRunAt(sql, queue, lane)),
  ].filter((at) => typeof at === 'number')
  return {
    ...counts,
    due: Math.max(0, pending + failed - future + Number(become)),
    ...(oldest.length > 0 && { oldestDueMs: Math.max(0, now - Math.min(...oldest)) }),
  }
}

function oldestRunAt(sql: Statements, { id }: QueueRef, lane: number): unknown {
  return sql.value(OLDEST, id, lane, id, lane, id, lane)
}

/** See `TaskStore.queues`. */
export function readQueues({ sql }: Reading): readonly QueueState[] {
  return sql.rows(QUEUES).map(([name, paused]) => ({ name: String(name), paused: paused !== 0 }))
}

/** See `TaskStore.workers`. */
export function readWorkers({ sql, now }: Reading, queueName: string | undefined): WorkerRow[] {
  return sql.rows(WORKERS, queueName ?? null, queueName ?? null).map((values) => {
    const [id, queue, name, layers, leaseMs, startedAt, lastBeatAt, leaseEnd, held] = values
    return {
      id: String(id),
      queue: String(queue),
      name: String(name),
      leaseMs: Number(leaseMs),
      layers: parseNames(layers),
      startedAt: Number(startedAt),
      lastBeatAt: Number(lastBeatAt),
      live: now < Number(leaseEnd),
      held: Number(held),
    }
  })
}

/** So many rows of the table are looked at in one turn of the event loop. */
const SLICE = 20_000
const SLICE_END = 'SELECT seq FROM apalis_task WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ? + 0'
const LAST = 'SELECT max(seq) FROM apalis_task'
const MATCHES = `FROM apalis_task t NOT INDEXED WHERE t.seq > ? AND t.seq <= ? AND t.queue = ?
  AND (? IS NULL OR t.status = ?)`
const COUNT_MATCHES = `SELECT count(*) ${MATCHES}`
const READ_MATCHES = `${SELECT_ROWS} WHERE t.seq IN (SELECT t.seq ${MATCHES}
  ORDER BY t.seq LIMIT ? + 0 OFFSET ? + 0) ORDER BY t.seq`

/** Where a {@link listRows} has come to. */
export interface Page {
  readonly rows: Row[]
  after: number
  skip: number
}

/** One slice of `TaskStore.list`, in order of insertion: no index has that, and a long table takes its time. True: it goes on. */
export function listRows(
  { sql, queues }: Reading,
  queueName: string,
  { status, limit }: ListFilter,
  page: Page,
): boolean {
  const queue = queues.find(queueName)
  if (queue === undefined || page.rows.length >= limit) return false
  const next = sql.value(SLICE_END, page.after, SLICE)
  const end = next ?? sql.value(LAST)
  if (typeof end !== 'number') return false
  const code = status === undefined ? null : codeOf(status)
  const matches = [page.after, end, queue.id, code, code] as const
  const found = Number(sql.value(COUNT_MATCHES, ...matches))
  if (found > page.skip) {
    const values = sql.rows(READ_MATCHES, ...matches, limit - page.rows.length, page.skip)
    for (const row of values) page.rows.push(storedRow(row).row)
  }
  page.skip = Math.max(0, page.skip - found)
  page.after = end
  return next !== undefined
}
