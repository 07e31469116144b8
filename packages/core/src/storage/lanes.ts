import {
  BackendError,
  DuplicateTaskError,
  isBackendError,
  UnknownOutcomeError,
} from '../errors/backend-errors.ts'
import { GroupCommit } from '../internal/group-commit.ts'
import { channels, published } from '../service/diagnostics.ts'
import type { TaskId } from '../task/task-id.ts'
import { BATCH, type QueueCore } from './queue-core.ts'
import type { Inserted, InsertOptions, NewRow } from './task-store.ts'

/** A row counts once more for so much text, so that a shared insert stays small enough to travel. */
const TEXT_OF_ONE_ITEM = 8_192

/** Stores rows and answers with their ids, or those of the tasks that were there. */
export interface Inserter {
  /** Throws a `DuplicateTaskError` when the id or key is taken, if the task is to be `onlyNew`. */
  one(row: NewRow, onlyNew: boolean): Promise<TaskId>
  /** All or none, in order. Throws a `DuplicateTaskError` when any id or key is taken, if all are to be `onlyNew`. */
  all(rows: readonly NewRow[], onlyNew: boolean): Promise<readonly TaskId[]>
}

/** One row with one id for an answer, or several with theirs: single pushes are many, and deserve no arrays. */
type Call = NewRow | readonly NewRow[]
type Answer = TaskId | readonly TaskId[]

/**
 * Where the tasks of one queue enter the store. Concurrent calls share an insert, those with a unique key apart from those
 * without: a key may be held up by a stranger's open transaction. Sharing an insert never shares a fate.
 */
export class Lanes<Tx> implements Inserter {
  readonly #core: QueueCore<Tx>
  readonly #plain: GroupCommit<Call, Answer>
  readonly #keyed: GroupCommit<Call, Answer>
  readonly #alone = new Set<Promise<unknown>>()
  #closed = false

  constructor(core: QueueCore<Tx>) {
    this.#core = core
    this.#plain = this.#lane()
    this.#keyed = this.#lane()
  }

  one(row: NewRow, onlyNew: boolean): Promise<TaskId> {
    if (onlyNew) return this.#insertAlone([row]).then(first)
    if (this.#closed) return Promise.reject(closedError())
    // One row is answered with one id.
    return (isKeyed(row) ? this.#keyed : this.#plain).add(row) as Promise<TaskId>
  }

  all(rows: readonly NewRow[], onlyNew: boolean): Promise<readonly TaskId[]> {
    if (onlyNew) return this.#insertAlone(rows)
    if (this.#closed) return Promise.reject(closedError())
    // Several rows are answered with several ids.
    return (rows.some(isKeyed) ? this.#keyed : this.#plain).add(rows) as Promise<readonly TaskId[]>
  }

  /**
   * Into a transaction of the caller's: each call by itself, and at once. Nobody is woken here, since only the store sees the
   * commit. The outcome is never unknown: the caller decides over it, and an error is a reason to roll back.
   */
  within(tx: Tx): Inserter {
    const all = async (rows: readonly NewRow[], onlyNew: boolean): Promise<readonly TaskId[]> => {
      if (this.#closed) throw closedError()
      const options = { within: tx, ...(onlyNew && { refuseExisting: true }) }
      const inserted = await this.#insert(rows, options)
      return onlyNew ? refuseExisting(inserted) : inserted.map(idOf)
    }
    return { all, one: (row, onlyNew) => all([row], onlyNew).then(first) }
  }

  /** Refuses calls from now on; settles when those before have ended. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled([this.#plain.idle(), this.#keyed.idle(), ...this.#alone])
  }

  #lane(): GroupCommit<Call, Answer> {
    return new GroupCommit({
      flush: (calls) => this.#flush(calls),
      weigh: (call) => (isOne(call) ? weightOf(call) : call.reduce(addWeight, 0)),
      maxItems: BATCH,
      splitOn: (error) => !(isBackendError(error) && error.transient),
      errorOf: (error, call) => outcomeError(isOne(call) ? [call] : call, error),
    })
  }

  async #flush(calls: readonly Call[]): Promise<readonly Answer[]> {
    const inserted = await this.#insertShared(calls.every(isOne) ? calls : calls.flat())
    let next = 0
    return calls.map((call) => {
      const from = next
      next += isOne(call) ? 1 : call.length
      return isOne(call) ? idAt(inserted, from) : inserted.slice(from, next).map(idOf)
    })
  }

  async #insertShared(rows: readonly NewRow[]): Promise<readonly Inserted[]> {
    try {
      const inserted = await this.#insert(rows, {})
      if (inserted.some(({ existing }) => !existing)) this.#core.channel.wake()
      return inserted
    } catch (error) {
      // It may be stored all the same.
      if (isBackendError(error) && error.applied === 'unknown') this.#core.channel.wake()
      throw error
    }
  }

  async #insertAlone(rows: readonly NewRow[]): Promise<readonly TaskId[]> {
    if (this.#closed) throw closedError()
    const call = this.#insert(rows, { refuseExisting: true })
    this.#alone.add(call)
    try {
      const ids = refuseExisting(await call)
      this.#core.channel.wake()
      return ids
    } catch (error) {
      throw outcomeError(rows, error)
    } finally {
      this.#alone.delete(call)
    }
  }

  #insert(rows: readonly NewRow[], options: InsertOptions<Tx>): Promise<readonly Inserted[]> {
    const { clock, queue } = this.#core
    return published(
      channels.push,
      clock,
      () => this.#store(rows, options),
      ({ durationMs, ...went }) => {
        const tasks = 'value' in went ? went.value : rows.map(({ id }) => ({ id, existing: false }))
        return {
          queue,
          ids: tasks.map(({ id }) => id),
          existing: tasks.filter(({ existing }) => existing).length,
          durationMs,
          ...('error' in went && { error: went.error }),
        }
      },
    )
  }

  async #store(rows: readonly NewRow[], options: InsertOptions<Tx>): Promise<readonly Inserted[]> {
    const inserted = await this.#core.store.insert(this.#core.queue, rows, options)
    if (inserted.length === rows.length) return inserted
    throw new BackendError('insert', `${rows.length} rows got ${inserted.length} answers`)
  }
}

/** How much a row counts towards the most that travels together. */
export function weightOf({ args }: NewRow): number {
  return 1 + Math.floor(args.length / TEXT_OF_ONE_ITEM)
}

function addWeight(sum: number, row: NewRow): number {
  return sum + weightOf(row)
}

function isOne(call: Call): call is NewRow {
  return !Array.isArray(call)
}

function isKeyed({ uniqueKey }: NewRow): boolean {
  return uniqueKey !== undefined
}

function idOf({ id }: Inserted): TaskId {
  // It was checked when it was first pushed.
  return id as TaskId
}

function idAt(inserted: readonly Inserted[], index: number): TaskId {
  const one = inserted[index]
  if (one === undefined) throw new RangeError(`no answer for row ${index}`)
  return idOf(one)
}

function first(ids: readonly TaskId[]): TaskId {
  const [id] = ids
  if (id === undefined) throw new RangeError('no answer for the row')
  return id
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
  const ids = rows.map(({ id }) => id)
  return new UnknownOutcomeError(ids, { cause: error })
}

function closedError(): BackendError {
  return new BackendError('insert', 'the storage is closed', { transient: false, applied: 'no' })
}
