import { BackendError } from '../../errors/backend-errors.ts'
import type { StoredError } from '../../errors/stored-error.ts'
import type { Slotted } from '../../internal/swap-set.ts'
import { show } from '../../internal/validate.ts'
import type { Metadata } from '../../task/metadata.ts'
import type { ClaimedRow, NewRow, Row, StoredFailure, StoreOutcome } from '../task-store.ts'
import { frozenCopy } from './frozen-copy.ts'
import type { Incarnation } from './incarnations.ts'
import type { Line, Standing } from './line.ts'

/** How many errors a row keeps. */
const ERRORS_KEPT = 10
const NO_ERRORS: readonly StoredFailure[] = Object.freeze([])

/** A row as the memory store keeps it; nothing outside ever gets hold of one. */
export class MemoryRow implements Standing<MemoryRow>, Slotted {
  readonly id: string
  readonly attempts: number
  readonly createdAt: number
  readonly timeoutMs: number | undefined
  readonly uniqueKey: string | undefined
  /** Until when the key is held, whatever becomes of the row; undefined: until its end. */
  readonly keyUntil: number | undefined
  args: string
  priority: number
  runAt: number
  /** Deeply frozen, so that copies may share it; `errors` too. */
  metadata: Metadata | undefined
  errors: readonly StoredFailure[] = NO_ERRORS
  status: Row['status'] = 'pending'
  attempt = 0
  epoch = 0
  rescues = 0
  releases = 0
  /** The order of insertion. */
  sequence = 0
  /** Who holds it: set exactly while it is running. */
  holder: Incarnation | undefined = undefined
  lockedAt = 0
  finishedAt = 0
  /** The order of ends. */
  endSequence = 0
  result: string | undefined = undefined
  /** Somebody waits for its end. */
  awaited = false
  /** The last settlement, while the row still shows what it wrote under the current epoch. */
  settledAs: StoreOutcome['type'] | undefined = undefined
  settledBy: string | undefined = undefined
  line: Line<MemoryRow> | undefined = undefined
  place = 0
  /** Among the rows of its holder. */
  slot = -1

  constructor(row: NewRow, now: number) {
    this.id = row.id
    this.attempts = row.attempts
    this.createdAt = now
    this.timeoutMs = row.timeoutMs
    this.uniqueKey = row.uniqueKey
    this.keyUntil = row.uniqueForMs === undefined ? undefined : now + row.uniqueForMs
    this.args = row.args
    this.priority = row.priority
    this.runAt = row.runAt ?? now + (row.delayMs ?? 0)
    this.metadata = frozenCopy(row.metadata)
    checkOrder('insert', this)
  }
}

/** Refuses what no order can be kept of: one such row would spoil every line that it comes to stand in. */
export function checkOrder(
  operation: string,
  {
    id,
    priority,
    runAt,
  }: { readonly id: string; readonly priority: number; readonly runAt: number },
): void {
  if (Number.isFinite(priority) && Number.isFinite(runAt)) return
  const message = `row ${show(id)} has the priority ${show(priority)} and the runAt ${show(runAt)}`
  throw new BackendError(operation, message, { transient: false, applied: 'no' })
}

/** Adds to the last errors that the row keeps. */
export function addError(row: MemoryRow, error: StoredError, now: number): void {
  const failure = frozenCopy({ ...error, at: now, attempt: row.attempt })
  row.errors = Object.freeze([...row.errors.slice(1 - ERRORS_KEPT), failure])
}

/** What a worker gets of a row. */
export function claimedRow(row: MemoryRow): ClaimedRow {
  const copy: { -readonly [Field in keyof ClaimedRow]: ClaimedRow[Field] } = {
    id: row.id,
    args: row.args,
    priority: row.priority,
    attempt: row.attempt,
    attempts: row.attempts,
    runAt: row.runAt,
    createdAt: row.createdAt,
    lockedAt: row.lockedAt,
    epoch: row.epoch,
    rescues: row.rescues,
    releases: row.releases,
    errors: row.errors,
  }
  if (row.timeoutMs !== undefined) copy.timeoutMs = row.timeoutMs
  if (row.uniqueKey !== undefined) copy.uniqueKey = row.uniqueKey
  if (row.metadata !== undefined) copy.metadata = row.metadata
  return copy
}

/** What everybody else gets of a row. */
export function wholeRow(row: MemoryRow): Row {
  const { lockedAt, ...common } = claimedRow(row)
  return {
    ...common,
    status: row.status,
    ...(row.holder !== undefined && { lockedBy: row.holder.id, lockedAt }),
    ...((row.status === 'done' || row.status === 'killed') && { finishedAt: row.finishedAt }),
    ...(row.result !== undefined && { result: row.result }),
  }
}
