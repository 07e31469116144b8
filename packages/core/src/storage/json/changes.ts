import type { MemoryRow } from '../memory/memory-row.ts'
import type { QueueLog } from '../memory/queue-rows.ts'
import type { MemoryStore } from '../memory/memory-store.ts'
import { textOfChange, textOfRow } from './saved-row.ts'

/** How much a line of a snapshot holds, in characters, before the next one begins. */
const SNAPSHOT_LINE = 65_536

/** What calls have changed of a memory store's queues, and is not in a journal yet. */
export class Changes {
  readonly #queues = new Map<string, QueueChanges>()
  /** Rows are written whole, so that a line needs none before it: what follows a snapshot that was taken bit by bit. */
  whole = false

  /** Hears what changes of a queue. */
  readonly log = (queue: string): QueueLog => {
    const changes = new QueueChanges()
    return {
      stored: (row) => this.#of(queue, changes).stored.add(row),
      changed: (row) => this.#of(queue, changes).changed.add(row),
      forgotten: (row) => this.#of(queue, changes).forget(row),
      paused: (on) => {
        this.#of(queue, changes).paused = on
      },
    }
  }

  /** What there is to write, a line for each queue; empty: nothing. Forgets it. */
  take(now: number, store: MemoryStore): string {
    let text = ''
    for (const [name, changes] of this.#queues) {
      text += changes.line(name, this.whole, (row) => store.kept(name).rows.holdsKey(row, now))
      changes.clear()
    }
    this.#queues.clear()
    return text
  }

  #of(queue: string, changes: QueueChanges): QueueChanges {
    this.#queues.set(queue, changes)
    return changes
  }
}

type HoldsKey = (row: MemoryRow) => boolean

class QueueChanges {
  readonly stored = new Set<MemoryRow>()
  readonly changed = new Set<MemoryRow>()
  readonly #gone = new Set<string>()
  readonly #errors = new WeakMap<MemoryRow, MemoryRow['errors']>()
  paused: boolean | undefined

  forget(row: MemoryRow): void {
    this.changed.delete(row)
    // One that came and went within a call was never written.
    if (!this.stored.delete(row)) this.#gone.add(row.id)
  }

  clear(): void {
    this.stored.clear()
    this.changed.clear()
    this.#gone.clear()
    this.paused = undefined
  }

  line(queue: string, whole: boolean, holdsKey: HoldsKey): string {
    const rows = whole ? [...this.stored, ...this.changed] : [...this.stored]
    const tasks = [...new Set(rows)].map((row) => textOfRow(row, holdsKey(row)))
    const changes = whole ? [] : this.#changes(holdsKey)
    const parts = [
      `"queue":${JSON.stringify(queue)}`,
      ...(this.paused === undefined ? [] : [`"paused":${this.paused}`]),
      ...(this.#gone.size === 0 ? [] : [`"gone":${JSON.stringify([...this.#gone])}`]),
      ...(tasks.length === 0 ? [] : [`"tasks":[${tasks.join(',')}]`]),
      ...(changes.length === 0 ? [] : [`"changes":[${changes.join(',')}]`]),
    ]
    return parts.length === 1 ? '' : `{${parts.join(',')}}\n`
  }

  #changes(holdsKey: HoldsKey): string[] {
    const texts: string[] = []
    for (const row of this.changed) {
      if (this.stored.has(row)) continue
      texts.push(textOfChange(row, holdsKey(row), this.#hasNewErrors(row)))
    }
    return texts
  }

  /** The list of errors is made anew for each one; what the row had when it was read from a journal stands there. */
  #hasNewErrors(row: MemoryRow): boolean {
    const known = this.#errors.get(row)
    if (known === row.errors) return false
    this.#errors.set(row, row.errors)
    return known !== undefined || row.errors.length > 0
  }
}

/** Everything that a store keeps, as lines of a journal: a few rows at a time, each as it is when its turn comes. */
export function* snapshot(store: MemoryStore, now: () => number): Iterable<string> {
  for (const { name, paused, rows } of store.kept()) {
    const queue = `"queue":${JSON.stringify(name)}`
    if (paused) yield `{${queue},"paused":true}\n`
    let tasks: string[] = []
    let length = 0
    for (const row of rows.all()) {
      const text = textOfRow(row, rows.holdsKey(row, now()))
      tasks.push(text)
      length += text.length
      if (length < SNAPSHOT_LINE) continue
      yield `{${queue},"tasks":[${tasks.join(',')}]}\n`
      tasks = []
      length = 0
    }
    if (tasks.length > 0) yield `{${queue},"tasks":[${tasks.join(',')}]}\n`
  }
}
