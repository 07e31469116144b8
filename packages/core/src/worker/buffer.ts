import type { Revoked, Undecodable } from '../backend/backend.ts'
import type { Task } from '../task/task.ts'
import { isOfClaim } from './claim-of.ts'

/** A task that was claimed, or what stands in its place when its arguments cannot be read. */
export type Claimed = Task<unknown> | Undecodable

/** Claimed tasks that have not started, in the order to run them. Filled only when it is empty. */
export class Buffer {
  #claimed: readonly Claimed[] = []
  #next = 0
  /** When it was filled, by the monotonic clock. */
  since = 0

  get size(): number {
    return this.#claimed.length - this.#next
  }

  fill(claimed: readonly Claimed[], now: number): void {
    this.#claimed = claimed
    this.#next = 0
    this.since = now
  }

  shift(): Claimed | undefined {
    const claimed = this.#claimed[this.#next]
    this.#next += 1
    if (this.#next >= this.#claimed.length) this.fill([], this.since)
    return claimed
  }

  /** Empties it. */
  takeAll(): readonly Claimed[] {
    const rest = this.#claimed.slice(this.#next)
    this.fill([], this.since)
    return rest
  }

  /** Takes out what was claimed so. */
  takeOne(claim: Pick<Revoked, 'id' | 'epoch'>): Claimed | undefined {
    const found = this.#claimed.findIndex(
      ({ parts }, index) => index >= this.#next && isOfClaim(parts, claim),
    )
    if (found < 0) return undefined
    const claimed = this.#claimed[found]
    this.fill(
      this.#claimed.filter((_, index) => index >= this.#next && index !== found),
      this.since,
    )
    return claimed
  }
}
