import type { Invariant } from '../invariant-error.ts'
import type { Timeline } from './timeline.ts'

/** What was found to be broken, and where in the log. */
export interface Violation {
  readonly invariant: Invariant
  readonly message: string
  readonly line: number
}

/** So many lines of the log stand before and after what was found. */
const AROUND = { before: 40, after: 5 } as const

/** What happened in a simulation, line by line, and the first thing that must not have. */
export class History {
  readonly #timeline: Timeline
  readonly #lines: string[] = []
  #violation: Violation | undefined
  /** When something last changed in the storage, or a run began or ended. */
  progressAt = 0

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  get now(): number {
    return this.#timeline.now
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  get violation(): Violation | undefined {
    return this.#violation
  }

  /** Writes a line. */
  note(who: string, what: string): void {
    const seconds = (this.#timeline.now / 1_000).toFixed(3).padStart(8)
    this.#lines.push(`${seconds} ${who.padEnd(4)} ${what}`)
  }

  /** Something changed. */
  progress(): void {
    this.progressAt = this.#timeline.now
  }

  /** An invariant is broken; only the first time counts, what comes later may follow from it. */
  fail(invariant: Invariant, message: string): void {
    this.note('!', `${invariant}: ${message}`)
    this.#violation ??= { invariant, message, line: this.#lines.length - 1 }
  }

  /** The log around what was found, about the tasks named in it where they are named. */
  excerpt({ line, message }: Violation): string {
    const named = new Set(message.match(/\bt\d+\b/g))
    const from = Math.max(0, line - AROUND.before)
    const about = this.#lines
      .slice(0, from)
      .filter((text) => (text.match(/\bt\d+\b/g) ?? []).some((id) => named.has(id)))
      .slice(-AROUND.before)
    const around = this.#lines.slice(from, line + 1 + AROUND.after)
    return [...about, ...(about.length > 0 ? ['…'] : []), ...around].join('\n')
  }
}
