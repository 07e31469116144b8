import type { Undecodable } from '../backend/backend.ts'
import type { Codec } from '../codec/codec.ts'
import { DecodeError, isDecodeError } from '../errors/backend-errors.ts'
import { toStoredError } from '../errors/stored-error.ts'
import type { Metadata } from '../task/metadata.ts'
import type { Status } from '../task/status.ts'
import type { Attempt, Parts, QueueContext, Task, TaskFailure } from '../task/task.ts'
import type { TaskId } from '../task/task-id.ts'
import type { LedgerEntry } from './ledger.ts'
import type { ClaimedRow, Row, StoredFailure } from './task-store.ts'

/** The task of a row that was claimed, and the ledger's entry of that claim. */
export function taskOf<Args>(
  row: ClaimedRow,
  queue: string,
  entry: LedgerEntry | undefined,
  codec: Codec<never, Args>,
): Task<Args, QueueContext> | Undecodable<QueueContext> {
  const parts = new RowParts(row, queue, 'running', entry?.lockedBy, undefined, entry)
  return decodeRow(row, parts, codec)
}

/** The task of a row that was read, in whatever status. */
export function storedTask<Args>(
  row: Row,
  queue: string,
  codec: Codec<never, Args>,
): Task<Args, QueueContext> | Undecodable<QueueContext> {
  const { status, lockedBy, finishedAt } = row
  return decodeRow(row, new RowParts(row, queue, status, lockedBy, finishedAt), codec)
}

function decodeRow<Args>(
  { id, args }: RowFields,
  parts: RowParts,
  codec: Codec<never, Args>,
): Task<Args, QueueContext> | Undecodable<QueueContext> {
  try {
    return { args: codec.decode(args), parts }
  } catch (error) {
    const message = `cannot decode the arguments of task ${id}: ${toStoredError(error).message}`
    const issues = isDecodeError(error) ? error.issues : []
    return { parts, error: new DecodeError(message, { issues, cause: error }) }
  }
}

/** What claimed and read rows have in common. */
type RowFields = Omit<ClaimedRow, 'lockedAt'> & { readonly lockedAt?: number }

const noMetadata: Metadata = Object.freeze({})

/** The ledger's entry of the claim under which a task was handed out, if it was. */
export function entryOf(parts: Parts): LedgerEntry | undefined {
  return parts instanceof RowParts ? RowParts.entryOf(parts) : undefined
}

/** A row's parts; dates, attempt and context are made when first asked for. */
class RowParts implements Parts<QueueContext> {
  readonly taskId: TaskId
  readonly status: Status
  readonly metadata: Metadata
  readonly timeoutMs: number | undefined
  readonly #row: RowFields
  readonly #queue: string
  readonly #lockedBy: string | undefined
  readonly #finishedAt: number | undefined
  readonly #entry: LedgerEntry | undefined
  #attempt: Attempt | undefined
  #runAt: Date | undefined
  #context: RowContext | undefined

  constructor(
    row: RowFields,
    queue: string,
    status: Status,
    lockedBy: string | undefined,
    finishedAt: number | undefined,
    entry?: LedgerEntry,
  ) {
    // It was checked when it was pushed.
    this.taskId = row.id as TaskId
    this.status = status
    this.metadata = row.metadata ?? noMetadata
    this.timeoutMs = row.timeoutMs
    this.#row = row
    this.#queue = queue
    this.#lockedBy = lockedBy
    this.#finishedAt = finishedAt
    this.#entry = entry
  }

  /** See {@link entryOf}. */
  static entryOf(parts: RowParts): LedgerEntry | undefined {
    return parts.#entry
  }

  get attempt(): Attempt {
    const { attempt, attempts } = this.#row
    return (this.#attempt ??= { current: attempt, max: attempts })
  }

  get runAt(): Date {
    return (this.#runAt ??= new Date(this.#row.runAt))
  }

  get context(): QueueContext {
    return (this.#context ??= new RowContext(
      this.#row,
      this.#queue,
      this.#lockedBy,
      this.#finishedAt,
    ))
  }
}

class RowContext implements QueueContext {
  readonly queue: string
  readonly priority: number
  readonly epoch: number
  readonly rescues: number
  readonly releases: number
  readonly lockedBy: string | undefined
  readonly uniqueKey: string | undefined
  readonly #row: RowFields
  readonly #finishedAt: number | undefined
  #errors: readonly TaskFailure[] | undefined

  constructor(
    row: RowFields,
    queue: string,
    lockedBy: string | undefined,
    finishedAt: number | undefined,
  ) {
    this.queue = queue
    this.priority = row.priority
    this.epoch = row.epoch
    this.rescues = row.rescues
    this.releases = row.releases
    this.lockedBy = lockedBy
    this.uniqueKey = row.uniqueKey
    this.#row = row
    this.#finishedAt = finishedAt
  }

  get lockedAt(): Date | undefined {
    return date(this.#row.lockedAt)
  }

  get createdAt(): Date {
    return new Date(this.#row.createdAt)
  }

  get finishedAt(): Date | undefined {
    return date(this.#finishedAt)
  }

  get errors(): readonly TaskFailure[] {
    return (this.#errors ??= this.#row.errors.map(failureOf))
  }
}

function failureOf({ at, ...failure }: StoredFailure): TaskFailure {
  return { ...failure, at: new Date(at) }
}

function date(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms)
}
