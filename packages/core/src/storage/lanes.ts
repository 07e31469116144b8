import {
  BackendError,
  DuplicateTaskError,
  isBackendError,
  UnknownOutcomeError,
} from '../errors/backend-errors.ts'
import { GroupCommit } from '../internal/group-commit.ts'
import type { TaskId } from '../task/task-id.ts'
import { BATCH, type QueueCore } from './queue-core.ts'
import type { Inserted, InsertOptions, NewRow } from './task-store.ts'

/** A row counts once more for so much text, so that a shared insert stays small enough to travel. */
const TEXT_OF_ONE_ITEM = 8_192

/**
 * Where the tasks of one queue enter the store. Concurrent calls share an insert, those with a unique key apart from those
 * without: a key may be held up by a stranger's open transaction. Sharing an insert never shares a fate.
 */
export class Lanes<Tx> {
  readonly #core: QueueCore<Tx>
  readonly #plain: GroupCommit<readonly NewRow[], readonly TaskId[]>
  readonly #keyed: GroupCommit<readonly NewRow[], readonly TaskId[]>
  readonly #alone = new Set<Promise<unknown>>()
  #closed = false

  constructor(core: QueueCore<Tx>) {
    this.#core = core
    this.#plain = this.#lane()
    this.#keyed = this.#lane()
  }

  /**
   * Stores the rows of one call; gives back their ids, or those of the tasks that were there. `onlyNew`: such a call travels
   * alone, and throws a `DuplicateTaskError` when any id or key is taken.
   */
  async insert(
    rows: readonly NewRow[],
    { onlyNew }: { readonly onlyNew: boolean },
  ): Promise<readonly TaskId[]> {
    this.#refuseWhenClosed()
    try {
      if (onlyNew) return await this.#insertAlone(rows)
      const lane = rows.some(({ uniqueKey }) => uniqueKey !== undefined) ? this.#keyed : this.#plain
      return await lane.add(rows)
    } catch (error) {
      throw outcomeError(rows, error)
    }
  }

  /** Stores rows in a transaction of the caller's, at once. Nobody is woken here: only the store sees the commit. */
  async insertWithin(
    tx: Tx,
    rows: readonly NewRow[],
    { onlyNew }: { readonly onlyNew: boolean },
  ): Promise<readonly TaskId[]> {
    this.#refuseWhenClosed()
    const options = { within: tx, ...(onlyNew && { refuseExisting: true }) }
    // Its outcome is never unknown: the caller decides over it, and an error is a reason to roll back.
    const inserted = await this.#insert(rows, options)
    return onlyNew ? refuseExisting(inserted) : inserted.map(idOf)
  }

  /** Refuses calls from now on; settles when those before have ended. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled([this.#plain.idle(), this.#keyed.idle(), ...this.#alone])
  }

  #lane(): GroupCommit<readonly NewRow[], readonly TaskId[]> {
    return new GroupCommit({
      flush: (calls) => this.#flush(calls),
      weigh: (rows) => rows.reduce((sum, row) => sum + weightOf(row), 0),
      maxItems: BATCH,
      splitOn: (error) => !(isBackendError(error) && error.transient),
    })
  }

  async #insertAlone(rows: readonly NewRow[]): Promise<readonly TaskId[]> {
    const call = this.#insert(rows, { refuseExisting: true })
    this.#alone.add(call)
    try {
      const ids = refuseExisting(await call)
      this.#core.channel.wake()
      return ids
    } finally {
      this.#alone.delete(call)
    }
  }

  async #flush(calls: readonly (readonly NewRow[])[]): Promise<readonly (readonly TaskId[])[]> {
    let inserted: readonly Inserted[]
    try {
      inserted = await this.#insert(calls.length === 1 ? (calls[0] ?? []) : calls.flat(), {})
    } catch (error) {
      // It may be stored all the same.
      if (isBackendError(error) && error.applied === 'unknown') this.#core.channel.wake()
      throw error
    }
    if (inserted.some(({ existing }) => !existing)) this.#core.channel.wake()
    let from = 0
    return calls.map(({ length }) => {
      const ids = inserted.slice(from, from + length).map(idOf)
      from += length
      return ids
    })
  }

  async #insert(rows: readonly NewRow[], options: InsertOptions<Tx>): Promise<readonly Inserted[]> {
    const inserted = await this.#core.store.insert(this.#core.queue, rows, options)
    if (inserted.length !== rows.length) {
      throw new BackendError('insert', `${rows.length} rows got ${inserted.length} answers`)
    }
    return inserted
  }

  #refuseWhenClosed(): void {
    if (!this.#closed) return
    throw new BackendError('insert', 'the storage is closed', { transient: false, applied: 'no' })
  }
}

/** How much a row counts towards the most that travels together. */
export function weightOf({ args }: NewRow): number {
  return 1 + Math.floor(args.length / TEXT_OF_ONE_ITEM)
}

function idOf({ id }: Inserted): TaskId {
  // It was checked when it was first pushed.
  return id as TaskId
}

function refuseExisting(inserted: readonly Inserted[]): readonly TaskId[] {
  const taken = inserted.find(({ existing }) => existing)
  if (taken === undefined) return inserted.map(idOf)
  throw new DuplicateTaskError(
    `cannot push: task ${taken.id} has the same id or holds the same unique key`,
    taken.id,
  )
}

function outcomeError(rows: readonly NewRow[], error: unknown): unknown {
  if (!isBackendError(error) || error.applied === 'no') return error
  return new UnknownOutcomeError(
    rows.map(({ id }) => id),
    { cause: error },
  )
}
