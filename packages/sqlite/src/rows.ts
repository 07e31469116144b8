import type { ClaimedRow, Row, StoredFailure } from '@apalis/core'
import { DONE, FAILED, KILLED, PENDING, RUNNING } from './schema.ts'
import type { Values } from './statements.ts'
import { clamped, isInstant, isWhole, parseFailures, parseMetadata } from './stored-values.ts'

type StoredStatus = Row['status']

/** What a `status` of the schema is called; undefined: somebody wrote it by hand. */
export function statusOf(code: unknown): StoredStatus | undefined {
  switch (code) {
    case PENDING:
      return 'pending'
    case RUNNING:
      return 'running'
    case DONE:
      return 'done'
    case FAILED:
      return 'failed'
    case KILLED:
      return 'killed'
    default:
      return undefined
  }
}

/** What a status is stored as. */
export function codeOf(status: StoredStatus): number {
  switch (status) {
    case 'pending':
      return PENDING
    case 'running':
      return RUNNING
    case 'done':
      return DONE
    case 'failed':
      return FAILED
    case 'killed':
      return KILLED
  }
}

/** A row that waits, as a claim reads it. */
export interface WaitingRow {
  readonly seq: number
  readonly status: 'pending' | 'failed'
  readonly lane: number
  /** As it is before the claim. Its `args` and `errors` are still missing where these flags say so. */
  readonly row: { -readonly [Field in keyof ClaimedRow]: ClaimedRow[Field] }
  readonly hasPayload: boolean
  readonly hasFailures: boolean
}

/** The columns of a {@link WaitingRow}. */
export const WAITING_COLUMNS = `seq, status, lane, id, args, priority, attempt, attempts, run_at, created_at, epoch,
  rescues, releases, timeout_ms, unique_key, metadata, failures`

const NO_FAILURES: readonly StoredFailure[] = Object.freeze([])

/** Reads a row that waits; a text says what of it cannot be used. */
export function waitingRow(values: Values): WaitingRow | string {
  const [
    seq,
    code,
    lane,
    id,
    args,
    priority,
    attempt,
    attempts,
    runAt,
    createdAt,
    epoch,
    rescues,
    releases,
    timeoutMs,
    uniqueKey,
    metadata,
    failures,
  ] = values
  if (code !== PENDING && code !== FAILED) return unusable('status', code)
  if (typeof id !== 'string') return unusable('id', id)
  if (typeof args !== 'string' && args !== null) return unusable('args', args)
  if (!isWhole(priority, -Number.MAX_SAFE_INTEGER)) return unusable('priority', priority)
  if (!isWhole(attempt, 0)) return unusable('attempt', attempt)
  if (!isWhole(attempts, 1)) return unusable('attempts', attempts)
  if (!isInstant(runAt)) return unusable('run_at', runAt)
  if (!isInstant(createdAt)) return unusable('created_at', createdAt)
  if (!isWhole(epoch, 0)) return unusable('epoch', epoch)
  if (!isWhole(rescues, 0)) return unusable('rescues', rescues)
  if (!isWhole(releases, 0)) return unusable('releases', releases)
  if (!isWhole(failures, 0)) return unusable('failures', failures)
  const row: WaitingRow['row'] = {
    id,
    args: args ?? '',
    priority,
    attempt,
    attempts,
    runAt,
    createdAt,
    epoch,
    rescues,
    releases,
    lockedAt: 0,
    errors: NO_FAILURES,
  }
  if (timeoutMs !== null) {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) return unusable('timeout_ms', timeoutMs)
    row.timeoutMs = timeoutMs
  }
  if (uniqueKey !== null) {
    if (typeof uniqueKey !== 'string') return unusable('unique_key', uniqueKey)
    row.uniqueKey = uniqueKey
  }
  if (metadata !== null) {
    const parsed = typeof metadata === 'string' ? parseMetadata(metadata) : undefined
    if (parsed === undefined) return unusable('metadata', metadata)
    row.metadata = parsed
  }
  return {
    // The key of the table, which SQLite itself keeps whole, and a column of an index that was searched by it.
    seq: seq as number,
    lane: lane as number,
    status: code === PENDING ? 'pending' : 'failed',
    row,
    hasPayload: args === null,
    hasFailures: failures > 0,
  }
}

/** What of a row cannot be used, for people. */
export function unusable(column: string, value: unknown): string {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value)
  return `${column} is ${value instanceof Uint8Array ? 'a blob' : shown}`
}

/** Reads whole rows: followed by a condition on `t`, and never failing on what stands in them. */
export const SELECT_ROWS: string = `SELECT ${[
  't.seq',
  ...['status', 'priority', 'attempt', 'attempts', 'run_at', 'created_at'].map((column) =>
    clamped(`t.${column}`),
  ),
  ...['epoch', 'rescues', 'releases', 'timeout_ms', 'locked_at', 'finished_at'].map((column) =>
    clamped(`t.${column}`),
  ),
  't.id',
  't.unique_key',
  't.metadata',
  'coalesce(t.args, p.args)',
  't.result',
  'w.incarnation',
  'f.failures',
  'a.id IS NOT NULL',
].join(', ')}
  FROM apalis_task t
  LEFT JOIN apalis_payload p ON p.task = t.seq
  LEFT JOIN apalis_failure f ON f.task = t.seq AND t.failures <> 0
  LEFT JOIN apalis_worker w ON w.id = t.worker
  LEFT JOIN apalis_awaited a ON a.queue = t.queue AND a.id = t.id`

/** A row that was read whole. */
export interface StoredRow {
  readonly seq: number
  readonly row: Row
  /** Its end is signalled. */
  readonly awaited: boolean
}

/** Reads a whole row. What cannot be used of it is left out or shown as nothing, and an unknown status as killed. */
export function storedRow(values: Values): StoredRow {
  const [seq, code, priority, attempt, attempts, runAt, createdAt, ...more] = values
  const [epoch, rescues, releases, timeoutMs, lockedAt, finishedAt, ...texts] = more
  const [id, uniqueKey, metadata, args, result, incarnation, failures, awaited] = texts
  const status = statusOf(code) ?? 'killed'
  const parsed = typeof metadata === 'string' ? parseMetadata(metadata) : undefined
  const row: Row = {
    id: String(id),
    args: typeof args === 'string' ? args : '',
    priority: whole(priority, -Number.MAX_SAFE_INTEGER),
    attempt: whole(attempt),
    attempts: whole(attempts),
    runAt: instant(runAt),
    createdAt: instant(createdAt),
    epoch: whole(epoch),
    rescues: whole(rescues),
    releases: whole(releases),
    errors: parseFailures(failures) ?? NO_FAILURES,
    ...(typeof timeoutMs === 'number' && { timeoutMs }),
    ...(typeof uniqueKey === 'string' && { uniqueKey }),
    ...(parsed !== undefined && { metadata: parsed }),
    status,
    ...(status === 'running' && {
      lockedBy: typeof incarnation === 'string' ? incarnation : 'unknown',
      lockedAt: instant(lockedAt),
    }),
    ...((status === 'done' || status === 'killed') && { finishedAt: instant(finishedAt) }),
    ...(typeof result === 'string' && { result }),
  }
  // The key of the table, which SQLite itself keeps whole.
  return { seq: seq as number, row, awaited: awaited === 1 }
}

function whole(value: unknown, min = 0): number {
  return isWhole(value, min) ? value : 0
}

function instant(value: unknown): number {
  return isInstant(value) ? value : 0
}
