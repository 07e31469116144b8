import { PassageMap } from '../../internal/passage-map.ts'
import { type Row, type StoreSignal, suspectRescues } from '../task-store.ts'
import { FinishedRows } from './finished-rows.ts'
import { type Incarnation, Incarnations } from './incarnations.ts'
import { Line } from './line.ts'
import type { MemoryRow } from './memory-row.ts'
import { byRunAt, isBefore, ReadyRows } from './ready-rows.ts'
import { UniqueKeys } from './unique-keys.ts'

/** Says that something happened to the queue, or to one of its rows. */
export type Post = (type: StoreSignal['type'], id?: string) => void

/** Hears what a call changes, for a copy that is kept elsewhere. What a row becomes is for the end of the call to see. */
export interface QueueLog {
  /** It is new, or what an insert or update gives it may have changed. */
  stored(row: MemoryRow): void
  /** Anything else of it may have changed. */
  changed(row: MemoryRow): void
  forgotten(row: MemoryRow): void
  paused(on: boolean): void
}

/** What a copy knew of a row beyond the row itself. */
export interface Restored {
  /** The incarnation that held it when it was running. */
  readonly lockedBy: string
  readonly keyHeld: boolean
}

/**
 * The rows of a queue and how each comes from one status to the next. Every step leaves all of it consistent: a row is
 * in the table, in the line of its status, counted, and held exactly while it is running.
 */
export class QueueRows {
  readonly incarnations: Incarnations = new Incarnations()
  readonly finished: FinishedRows
  readonly counts: Record<Row['status'], number> = {
    pending: 0,
    running: 0,
    done: 0,
    failed: 0,
    killed: 0,
  }
  readonly #post: Post
  readonly #log: QueueLog | undefined
  readonly #keys = new UniqueKeys()
  /** In order of insertion. */
  readonly #table = new PassageMap<string, MemoryRow>()
  readonly #ready = new ReadyRows()
  /** Those that are due and may be what kills the processes they run in. */
  readonly #suspects = new ReadyRows()
  /** Those that are not due yet. */
  readonly #future = new Line(byRunAt)
  #insertions = 0

  constructor(keepFinished: number, post: Post, log?: QueueLog) {
    this.#post = post
    this.#log = log
    this.finished = new FinishedRows({
      keep: keepFinished,
      keys: this.#keys,
      forget: (row) => this.forget(row),
    })
  }

  get size(): number {
    return this.#table.size
  }

  get(id: string): MemoryRow | undefined {
    return this.#table.get(id)
  }

  /** All of them, in order of insertion. */
  all(): Iterable<MemoryRow> {
    return this.#table.values()
  }

  /** What an insert of the row meets: the row of its id, or the holder of its unique key. */
  existing({ id, uniqueKey }: MemoryRow, now: number): MemoryRow | undefined {
    const same = this.#table.get(id)
    return same ?? (uniqueKey === undefined ? undefined : this.#keys.holder(uniqueKey, now))
  }

  /** The other row that holds the unique key which this one has to have. */
  rival(row: MemoryRow, now: number): MemoryRow | undefined {
    return this.#keys.rival(row, now)
  }

  /** Whether the row holds its unique key. */
  holdsKey(row: MemoryRow, now: number): boolean {
    return this.#keys.holds(row, now)
  }

  /** A new row. */
  store(row: MemoryRow, now: number): void {
    this.#enter(row)
    this.#keys.take(row, now)
    this.#await(row, now)
    this.#log?.stored(row)
  }

  /** A row that a copy kept, in any status; in order of insertion, and finished ones to be followed by `finished.add`. */
  restore(row: MemoryRow, { lockedBy, keyHeld }: Restored, now: number): void {
    this.#enter(row)
    if (keyHeld) this.#keys.take(row, now)
    if (row.status === 'pending' || row.status === 'failed') this.#await(row, now)
    if (row.status !== 'running') return
    row.holder = this.incarnations.remember(lockedBy)
    row.holder.held.add(row)
  }

  /** Brings those that have become due to where they can be claimed. */
  promote(now: number): void {
    for (let row = this.#future.first(); row !== undefined; row = this.#future.first()) {
      if (row.runAt > now) return
      this.#future.delete(row)
      this.#offer(row)
    }
  }

  /** The due row to claim next, suspects included or not. */
  next(suspects: boolean): MemoryRow | undefined {
    const row = this.#ready.first()
    const suspect = suspects ? this.#suspects.first() : undefined
    if (row === undefined || suspect === undefined) return row ?? suspect
    return isBefore(suspect, row) ? suspect : row
  }

  /** How many are due. */
  get due(): number {
    return this.counts.pending + this.counts.failed - this.#future.size
  }

  /** The smallest `runAt` of those that are due. */
  oldestRunAt(): number | undefined {
    const ready = this.#ready.oldestRunAt()
    const suspect = this.#suspects.oldestRunAt()
    if (ready === undefined || suspect === undefined) return ready ?? suspect
    return Math.min(ready, suspect)
  }

  /** The `runAt` of the next one that is not due yet. */
  nextRunAt(): number | undefined {
    return this.#future.first()?.runAt
  }

  /** Pending or failed to running. */
  claim(row: MemoryRow, holder: Incarnation, now: number): void {
    this.#become(row, 'running')
    row.epoch += 1
    row.attempt += 1
    forgetSettlement(row)
    row.holder = holder
    row.lockedAt = now
    holder.held.add(row)
  }

  /** Running to pending, due as it was, hence in its old place, the attempt given back. */
  giveBack(row: MemoryRow): void {
    this.#become(row, 'pending')
    row.attempt -= 1
    this.#offer(row)
    this.#post('due')
  }

  /** Running to pending or failed, due later, the attempt given back or used. */
  defer(row: MemoryRow, status: 'pending' | 'failed', dueInMs: number, now: number): void {
    this.#become(row, status)
    if (status === 'pending') row.attempt -= 1
    row.runAt = now + dueInMs
    this.#await(row, now)
    this.#post('due')
  }

  /** Anything unfinished to done or killed. */
  end(row: MemoryRow, status: 'done' | 'killed', now: number): void {
    this.#become(row, status)
    row.finishedAt = now
    this.#keys.end(row)
    if (row.awaited) this.#post('settled', row.id)
    this.finished.add(row, now)
  }

  /** Anything unfinished to killed, from outside: whoever runs it hears of it. */
  kill(row: MemoryRow, now: number): void {
    if (row.status === 'running') this.#post('killed', row.id)
    forgetSettlement(row)
    this.end(row, 'killed', now)
  }

  /** Killed to pending and due now. It has no rival. */
  revive(row: MemoryRow, resetAttempts: boolean, now: number): void {
    this.#become(row, 'pending')
    if (resetAttempts) row.attempt = 0
    row.rescues = 0
    row.releases = 0
    row.runAt = now
    forgetSettlement(row)
    this.#keys.take(row, now)
    this.#offer(row)
    this.#post('due')
  }

  /** Pending or failed, changed by `change`, in the place that is then its own. */
  reposition(row: MemoryRow, change: () => void, now: number): void {
    row.line?.delete(row)
    change()
    this.#await(row, now)
    this.#log?.stored(row)
    this.#post('due')
  }

  /** Removes a row that is not running: whoever waits for its end hears of it. */
  remove(row: MemoryRow): void {
    if (row.awaited) this.#post('settled', row.id)
    this.forget(row)
  }

  /** The row is no more. */
  forget(row: MemoryRow): void {
    row.line?.delete(row)
    this.counts[row.status] -= 1
    this.#keys.forget(row)
    this.#table.delete(row.id)
    this.#log?.forgotten(row)
  }

  #enter(row: MemoryRow): void {
    row.sequence = this.#insertions += 1
    this.#table.set(row.id, row)
    this.counts[row.status] += 1
  }

  /** Leaves the line and the holder of the old status; the caller sees to the line of the new one. */
  #become(row: MemoryRow, status: Row['status']): void {
    row.line?.delete(row)
    if (row.holder !== undefined) {
      this.incarnations.release(row.holder, row)
      row.holder = undefined
    }
    this.counts[row.status] -= 1
    this.counts[status] += 1
    row.status = status
    this.#log?.changed(row)
  }

  #await(row: MemoryRow, now: number): void {
    if (row.runAt > now) this.#future.add(row)
    else this.#offer(row)
  }

  #offer(row: MemoryRow): void {
    const rows = row.rescues >= suspectRescues ? this.#suspects : this.#ready
    rows.add(row)
  }
}

/** What the row shows from now on is not what the last settlement wrote. */
function forgetSettlement(row: MemoryRow): void {
  row.settledAs = undefined
  row.settledBy = undefined
}
