import {
  BackendError,
  type Claimed,
  type ClaimedRow,
  type Metadata,
  type Row,
  type StoredFailure,
} from '@apalis/core'

/** A whole row, as the functions of the schema give it. */
type SentRow = Omit<Row, 'errors' | 'metadata'> & {
  readonly failures?: readonly StoredFailure[]
  /** As text, since nulls in it are values. */
  readonly metadataText?: string
}

const NO_FAILURES: readonly StoredFailure[] = Object.freeze([])

/** A whole row, from what was read. */
export function toRow(sent: unknown): Row {
  // Columns are typed in the database, and their names and types are ours.
  const { failures = NO_FAILURES, metadataText, ...row } = sent as SentRow
  return {
    ...row,
    errors: failures,
    // What is in a column of JSON is JSON, and ours is an object.
    ...(metadataText !== undefined && { metadata: JSON.parse(metadataText) as Metadata }),
  }
}

/** Rows in the order of the ids that were asked for. */
export function toRows(sent: unknown): readonly (Row | undefined)[] {
  return list(sent).map((row) => (row === null ? undefined : toRow(row)))
}

/** What a claim brought. */
export function toClaimed(sent: unknown): Claimed {
  const {
    at = 0,
    rows,
    dueIn,
  } = sent as {
    readonly at?: number
    readonly rows: readonly SentClaim[]
    readonly dueIn?: number | null
  }
  const claimed = rows.map((row) => toClaimedRow(row, at))
  return typeof dueIn === 'number' ? { rows: claimed, dueIn } : { rows: claimed }
}

/** The columns of a claimed row in their order; the last four are only there when one of them is something. */
type SentClaim = readonly [
  id: string,
  args: string,
  priority: number,
  attempt: number,
  attempts: number,
  runAt: number,
  createdAt: number,
  epoch: number,
  rescues: number,
  releases: number,
  timeoutMs?: number | null,
  uniqueKey?: string | null,
  metadata?: Metadata | null,
  failures?: readonly StoredFailure[] | null,
]

function toClaimedRow(sent: SentClaim, lockedAt: number): ClaimedRow {
  const [id, args, priority, attempt, attempts, runAt, createdAt, epoch, rescues, releases] = sent
  const row: { -readonly [Field in keyof ClaimedRow]: ClaimedRow[Field] } = {
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
    lockedAt,
    errors: NO_FAILURES,
  }
  if (sent.length === 10) return row
  const [, , , , , , , , , , timeoutMs, uniqueKey, metadata, failures] = sent
  if (timeoutMs !== null && timeoutMs !== undefined) row.timeoutMs = timeoutMs
  if (uniqueKey !== null && uniqueKey !== undefined) row.uniqueKey = uniqueKey
  if (metadata !== null && metadata !== undefined) row.metadata = metadata
  if (failures !== null && failures !== undefined) row.errors = failures
  return row
}

/** An array that was sent; none where nothing was. */
export function list(sent: unknown): readonly unknown[] {
  if (sent === undefined || sent === null) return []
  if (Array.isArray(sent)) return sent
  throw new BackendError('read', `got ${typeof sent} where an array was expected`)
}
