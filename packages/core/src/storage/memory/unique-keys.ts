import type { MemoryRow } from './memory-row.ts'

/** Which row of a queue holds which unique key. */
export class UniqueKeys {
  readonly #holders = new Map<string, MemoryRow>()

  /** The row that holds the key at `now`. */
  holder(key: string, now: number): MemoryRow | undefined {
    const row = this.#holders.get(key)
    return row !== undefined && isWithin(row, now) ? row : undefined
  }

  /** Whether the row holds its key at `now`. */
  holds(row: MemoryRow, now: number): boolean {
    return row.uniqueKey !== undefined && this.holder(row.uniqueKey, now) === row
  }

  /** The other row that holds what this one would {@link take}. */
  rival(row: MemoryRow, now: number): MemoryRow | undefined {
    if (row.uniqueKey === undefined || !isWithin(row, now)) return undefined
    const holder = this.holder(row.uniqueKey, now)
    return holder === row ? undefined : holder
  }

  /** Gives the row its key, if it has one whose time has not passed; a holder whose time has passed gives way. */
  take(row: MemoryRow, now: number): void {
    if (row.uniqueKey !== undefined && isWithin(row, now)) this.#holders.set(row.uniqueKey, row)
  }

  /** The row has ended: a key without a time of its own is free again. */
  end(row: MemoryRow): void {
    if (row.keyUntil === undefined) this.forget(row)
  }

  /** The row is forgotten, and so is its key, unless another row holds that by now. */
  forget(row: MemoryRow): void {
    if (row.uniqueKey !== undefined && this.#holders.get(row.uniqueKey) === row) {
      this.#holders.delete(row.uniqueKey)
    }
  }
}

function isWithin(row: MemoryRow, now: number): boolean {
  return row.keyUntil === undefined || now < row.keyUntil
}
