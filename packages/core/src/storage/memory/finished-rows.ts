import type { PurgeOptions } from '../task-store.ts'
import { Line, type Rank } from './line.ts'
import type { MemoryRow } from './memory-row.ts'
import type { UniqueKeys } from './unique-keys.ts'

/** So long after its end an awaited row is not forgotten by count: whoever waits has to read it. */
const AWAITED_MS = 60_000

/** Not by `finishedAt`: when somebody sets the time back, what ends then would be the oldest and forgotten at once. */
const byEnd: Rank<MemoryRow> = {
  key: (row) => row.endSequence,
  tie: () => 0,
}

const byKeyUntil: Rank<MemoryRow> = {
  key: (row) => row.keyUntil ?? 0,
  tie: (row) => row.endSequence,
}

/** What the finished rows need of the queue that they belong to. */
export interface FinishedRowsDeps {
  /** How many to keep. */
  readonly keep: number
  readonly keys: UniqueKeys
  readonly forget: (row: MemoryRow) => void
}

/** The finished rows of a queue: the last so many, and those that may not be forgotten yet. */
export class FinishedRows {
  readonly #keep: number
  readonly #keys: UniqueKeys
  readonly #forget: (row: MemoryRow) => void
  readonly #done = new Line(byEnd)
  readonly #killed = new Line(byEnd)
  /** Those to forget that stay for whoever waits for them: set apart, so that nothing ever looks past them. */
  readonly #awaited = new Line(byEnd)
  /** Those to forget that stay since they hold their unique key. */
  readonly #keyed = new Line(byKeyUntil)
  #ends = 0

  constructor({ keep, keys, forget }: FinishedRowsDeps) {
    this.#keep = keep
    this.#keys = keys
    this.#forget = forget
  }

  /** A row has ended; the oldest beyond those to keep are forgotten. */
  add(row: MemoryRow, now: number): void {
    row.endSequence = this.#ends += 1
    this.#lineOf(row.status).add(row)
    this.#takeBack(now)
    this.#trim(now)
  }

  /** Forgets by age; see `TaskStore.purge`. */
  purge({ status, olderThanMs, limit }: PurgeOptions, now: number): number {
    this.#takeBack(now)
    // That somebody waits is no reason here. Those set apart for it ended less than that time ago.
    if (olderThanMs < AWAITED_MS) {
      for (let row = this.#awaited.first(); row !== undefined; row = this.#awaited.first()) {
        this.#move(row, this.#lineOf(row.status))
      }
    }
    const line = this.#lineOf(status)
    let forgotten = 0
    while (forgotten < limit) {
      const row = line.first()
      if (row === undefined || row.finishedAt > now - olderThanMs) break
      if (this.#keys.holds(row, now)) {
        this.#move(row, this.#keyed)
      } else {
        this.#forget(row)
        forgotten += 1
      }
    }
    return forgotten
  }

  /** Those set apart come back when their time is over: from then on they are as old as they are. */
  #takeBack(now: number): void {
    for (let row = this.#keyed.first(); row !== undefined; row = this.#keyed.first()) {
      if (this.#keys.holds(row, now)) break
      this.#move(row, this.#lineOf(row.status))
    }
    for (let row = this.#awaited.first(); row !== undefined; row = this.#awaited.first()) {
      if (isAwaited(row, now)) break
      this.#move(row, this.#lineOf(row.status))
    }
  }

  #trim(now: number): void {
    while (this.#done.size + this.#killed.size > this.#keep) {
      const row = this.#oldest()
      if (row === undefined) break
      if (this.#keys.holds(row, now)) this.#move(row, this.#keyed)
      else if (isAwaited(row, now)) this.#move(row, this.#awaited)
      else this.#forget(row)
    }
  }

  #oldest(): MemoryRow | undefined {
    const done = this.#done.first()
    const killed = this.#killed.first()
    if (done === undefined || killed === undefined) return done ?? killed
    return done.endSequence < killed.endSequence ? done : killed
  }

  #move(row: MemoryRow, line: Line<MemoryRow>): void {
    row.line?.delete(row)
    line.add(row)
  }

  #lineOf(status: MemoryRow['status']): Line<MemoryRow> {
    return status === 'done' ? this.#done : this.#killed
  }
}

function isAwaited(row: MemoryRow, now: number): boolean {
  return row.awaited && now < row.finishedAt + AWAITED_MS
}
