import type { StoredError } from '../../errors/stored-error.ts'
import type { ClaimedRow, NewRow, Row, StoreOutcome } from '../../storage/task-store.ts'

/** How many errors a row keeps. */
const errorsKept = 10

/** A task of the model: the row that a store shows, and what the contract needs to know besides. */
export interface ModelTask {
  readonly queue: string
  readonly row: Row
  /** How long its unique key is held from the insert on; undefined: until its end. */
  readonly uniqueForMs: number | undefined
  /** How and by whom its last claim was settled, while the row still shows that. */
  readonly settled: { readonly worker: string; readonly type: StoreOutcome['type'] } | undefined
}

/** A task as an insert stores it. */
export function started(
  queue: string,
  { uniqueForMs, delayMs = 0, runAt, ...fields }: NewRow,
  now: number,
): ModelTask {
  const counters = { attempt: 0, epoch: 0, rescues: 0, releases: 0 }
  const times = { createdAt: now, runAt: runAt ?? now + delayMs }
  const row: Row = { ...fields, ...times, ...counters, status: 'pending', errors: [] }
  return { queue, row, uniqueForMs, settled: undefined }
}

/** What a worker gets of a row, be it a whole one. */
export function claimedRow(row: ClaimedRow | Row): ClaimedRow {
  const whole: Partial<Row> = row
  const { status: _status, lockedBy: _lockedBy, finishedAt: _end, result: _result, ...rest } = whole
  // What was left out is what only whole rows have, and whoever is claimed is locked.
  return rest as ClaimedRow
}

/** A running row after its claim was settled. */
export function ended(running: Row, outcome: StoreOutcome, now: number): Row {
  const row = unlocked(running)
  switch (outcome.type) {
    case 'done': {
      const { result } = outcome
      const done = { ...row, status: 'done', finishedAt: now, releases: 0 } as const
      return result === undefined ? done : { ...done, result }
    }
    case 'killed':
      return { ...killed(row, outcome.error, now), releases: 0 }
    case 'failed': {
      const failed = withError(row, outcome.error, now)
      return { ...failed, status: 'failed', runAt: now + outcome.retryInMs, releases: 0 }
    }
    case 'released': {
      const { dueInMs, error } = outcome
      const back = givenBack(error === undefined ? row : withError(row, error, now))
      if (dueInMs === 0) return back
      return { ...back, runAt: now + dueInMs, releases: row.releases + 1 }
    }
  }
}

/** A running row after it was taken from its holder: due as it was, hence in its place, the run not counted. */
export function givenBack(row: Row): Row {
  return { ...unlocked(row), status: 'pending', attempt: row.attempt - 1 }
}

/** An unfinished row after a kill. */
export function killed(row: Row, error: StoredError, now: number): Row {
  return { ...unlocked(withError(row, error, now)), status: 'killed', finishedAt: now }
}

/** A killed row after a retry. */
export function revived(
  { finishedAt: _finishedAt, ...row }: Row,
  resetAttempts: boolean,
  now: number,
): Row {
  const attempt = resetAttempts ? 0 : row.attempt
  return { ...row, status: 'pending', runAt: now, attempt, rescues: 0, releases: 0 }
}

/** Whether it waits to be claimed, or for its time. */
export function isWaiting({ status }: Row): boolean {
  return status === 'pending' || status === 'failed'
}

/** Whether it has ended. */
export function isFinished({ status }: Row): boolean {
  return status === 'done' || status === 'killed'
}

function unlocked({ lockedBy: _lockedBy, lockedAt: _lockedAt, ...row }: Row): Row {
  return row
}

function withError(row: Row, error: StoredError, now: number): Row {
  const errors = [...row.errors, { ...error, at: now, attempt: row.attempt }]
  return { ...row, errors: errors.slice(-errorsKept) }
}
