import type { Claim, WorkerRef } from '../../storage/task-store.ts'
import type { History } from './history.ts'
import type { Actor, Leases } from './leases.ts'

interface Waiting {
  readonly worker: WorkerRef
  readonly claim: Claim
  readonly actor: Actor
  readonly since: number
}

/**
 * A claimed task that does not start within a second is given back, with the next settle that goes well: while one is under
 * way, or repeated, it waits. In milliseconds.
 */
const LONGEST_MS = 8_000
/** So many calls may fail by then, each by its timeout. */
const FAILED_CALLS = 4

/** The tasks that workers have claimed and neither started nor given back. */
export class Unstarted {
  readonly #history: History
  readonly #leases: Leases
  readonly #longestMs: number
  readonly #heard = new Set<string>()
  readonly #revoked = new Set<string>()
  readonly #waiting = new Map<string, Waiting>()

  constructor(history: History, leases: Leases, callTimeoutMs: number) {
    this.#history = history
    this.#leases = leases
    this.#longestMs = LONGEST_MS + FAILED_CALLS * callTimeoutMs
  }

  /** A claim's answer has arrived. */
  claimed(worker: WorkerRef, claims: readonly Claim[], actor: Actor): void {
    const since = this.#history.now
    for (const claim of claims) {
      const key = keyOf(worker.queue, claim)
      this.#heard.add(key)
      if (!this.#revoked.has(key)) this.#waiting.set(key, { worker, claim, actor, since })
    }
  }

  /** Whether its process has heard of a claim. */
  wasHeard(queue: string, claim: Claim): boolean {
    return this.#heard.has(keyOf(queue, claim))
  }

  /** Somebody has ended or taken it, maybe before its answer arrives. */
  revoked(queue: string, claim: Claim): void {
    this.#revoked.add(keyOf(queue, claim))
    this.over(queue, [claim])
  }

  /** It starts, or is on its way back. */
  over(queue: string, claims: readonly Claim[]): void {
    for (const claim of claims) this.#waiting.delete(keyOf(queue, claim))
  }

  /** Whether any waits for too long. */
  check(): void {
    for (const [key, { worker, claim, actor, since }] of this.#waiting) {
      const waited = this.#history.now - Math.max(since, actor.runsSince)
      const lease = this.#leases.find(worker.id)
      if (actor.state === 'dead' || actor.state === 'gone' || lease?.ended === true) {
        this.#waiting.delete(key)
      } else if ((lease?.trustedUntil ?? 0) <= this.#history.now) {
        // Nobody writes anything for it: it goes with its incarnation.
        this.#waiting.delete(key)
      } else if (actor.state === 'running' && waited > this.#longestMs) {
        const name = this.#leases.nameOf(worker.id)
        const what = `${claim.id}@${claim.epoch} for ${waited} ms without starting it`
        this.#history.fail('bounded', `${name} keeps ${what}`)
      }
    }
  }
}

function keyOf(queue: string, { id, epoch }: Claim): string {
  return `${queue} ${id}@${epoch}`
}
