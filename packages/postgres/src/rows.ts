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
    epoch = 1,
    rows,
    dueIn,
  } = sent as {
    readonly at?: number
    /** Of those that run for the first time. */
    readonly epoch?: number
    readonly rows: readonly SentClaim[]
    readonly dueIn?: number | null
  }
  // They come in the order in which they are stored, which is that of claims more often than not.
  const ordered = isOrdered(rows) ? rows : rows.toSorted(byClaim)
  const claimed = ordered.map((row) => toClaimedRow(row, at, epoch))
  return typeof dueIn === 'number' ? { rows: claimed, dueIn } : { rows: claimed }
}

/** The columns of a claimed row in their order; all after the sixth are only there when one of them is something special. */
type SentClaim = readonly [
  id: string,
  args: string,
  createdAt: number,
  attempts: number,
  priority: number,
  /** The order of insertion. */
  seq: number,
  runAt?: number,
  epoch?: number,
  attempt?: number,
  rescues?: number,
  releases?: number,
  timeoutMs?: number | null,
  uniqueKey?: string | null,
  metadata?: Metadata | null,
  failures?: readonly StoredFailure[] | null,
]

/** Larger priorities first, then by when they are due, then by the order of insertion. */
function byClaim(one: SentClaim, other: SentClaim): number {
  return other[4] - one[4] || (one[6] ?? one[2]) - (other[6] ?? other[2]) || one[5] - other[5]
}

function isOrdered(rows: readonly SentClaim[]): boolean {
  return rows.every((row, index) => {
    const before = rows[index - 1]
    return before === undefined || byClaim(before, row) <= 0
  })
}

function toClaimedRow(sent: SentClaim, lockedAt: number, epoch: number): ClaimedRow {
  const [id, args, createdAt, attempts, priority] = sent
  const row: { -readonly [Field in keyof ClaimedRow]: ClaimedRow[Field] } = {
    id,
    args,
    priority,
    attempt: 1,
    attempts,
    runAt: createdAt,
    createdAt,
    epoch,
    rescues: 0,
    releases: 0,
    lockedAt,
    errors: NO_FAILURES,
  }
  if (sent.length > 6) addSpecial(row, sent)
  return row
}

function addSpecial(
  row: { -readonly [Field in keyof ClaimedRow]: ClaimedRow[Field] },
  [, , createdAt, , , , runAt, epoch, attempt, rescues, releases, ...texts]: SentClaim,
): void {
  row.runAt = runAt ?? createdAt
  row.epoch = epoch ?? row.epoch
  row.attempt = attempt ?? 1
  row.rescues = rescues ?? 0
  row.releases = releases ?? 0
  const [timeoutMs, uniqueKey, metadata, failures] = texts
  if (typeof timeoutMs === 'number') row.timeoutMs = timeoutMs
  if (typeof uniqueKey === 'string') row.uniqueKey = uniqueKey
  if (metadata !== null && metadata !== undefined) row.metadata = metadata
  if (failures !== null && failures !== undefined) row.errors = failures
}

/** An array that was sent; none where nothing was. */
export function list(sent: unknown): readonly unknown[] {
  if (sent === undefined || sent === null) return []
  if (Array.isArray(sent)) return sent
  throw new BackendError('read', `got ${typeof sent} where an array was expected`)
}
