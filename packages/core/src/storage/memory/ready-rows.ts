import { Line, type Rank } from './line.ts'
import type { MemoryRow } from './memory-row.ts'

/** By the time they are due, then by insertion: the order within a priority, and of what is not due yet. */
export const byRunAt: Rank<MemoryRow> = {
  key: (row) => row.runAt,
  tie: (row) => row.sequence,
}

/** Whether a row is to be claimed before another: the larger priority first, then {@link byRunAt}. */
export function isBefore(one: MemoryRow, other: MemoryRow): boolean {
  if (one.priority !== other.priority) return one.priority > other.priority
  return one.runAt === other.runAt ? one.sequence < other.sequence : one.runAt < other.runAt
}

interface Lane {
  readonly priority: number
  readonly rows: Line<MemoryRow>
}

/** Rows that are due, in the order of claims: one line for each priority, of which there are few. */
export class ReadyRows {
  /** Larger priorities first. An empty lane goes when it comes to stand before another. */
  readonly #lanes: Lane[] = []

  /** The row to claim next. */
  first(): MemoryRow | undefined {
    while (this.#lanes.length > 1 && this.#lanes[0]?.rows.size === 0) this.#lanes.shift()
    return this.#lanes[0]?.rows.first()
  }

  /** The smallest `runAt` there is. */
  oldestRunAt(): number | undefined {
    let oldest: number | undefined
    for (const { rows } of this.#lanes) {
      const runAt = rows.first()?.runAt
      if (runAt !== undefined && (oldest === undefined || runAt < oldest)) oldest = runAt
    }
    return oldest
  }

  add(row: MemoryRow): void {
    this.#lane(row.priority).add(row)
  }

  #lane(priority: number): Line<MemoryRow> {
    let low = 0
    let high = this.#lanes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const lane = this.#lanes[middle]
      if (lane?.priority === priority) return lane.rows
      if (lane !== undefined && lane.priority > priority) low = middle + 1
      else high = middle
    }
    const rows = new Line(byRunAt)
    this.#lanes.splice(low, 0, { priority, rows })
    return rows
  }
}
