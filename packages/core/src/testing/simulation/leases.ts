import type { WorkerRef } from '../../storage/task-store.ts'
import type { History } from './history.ts'

/** A process, as far as what it may do is concerned. */
export interface Actor {
  readonly name: string
  readonly state: 'running' | 'frozen' | 'dead' | 'gone'
  /** Since when it runs without a stop. */
  readonly runsSince: number
  /** The task that killed it. */
  readonly killedBy: Killer | undefined
}

/** A task that killed its process. */
export interface Killer {
  readonly queue: string
  readonly id: string
  readonly suspect: boolean
}

/** One incarnation of a worker: its lease as the storage has it, and the trust that its process has in that. */
export interface LeaseRecord {
  readonly name: string
  readonly queue: string
  readonly actor: Actor
  readonly leaseMs: number
  /** When it was last renewed, by the storage's clock. */
  renewedAt: number
  /** It has left, or was swept. */
  ended: boolean
  /** Until when the process trusts it, in virtual time: what others have to respect. */
  trustedUntil: number
}

/** The part of a lease for which it is trusted. */
const TRUSTED = 5 / 6
/** A storage may be so much ahead of the clock by which it is judged, in milliseconds: real time passes for a server. */
export const AHEAD_MS = 200

/** Every incarnation that was ever registered. */
export class Leases {
  readonly #history: History
  readonly #storageNow: () => number
  readonly #byId = new Map<string, LeaseRecord>()
  readonly #counts = new Map<string, number>()
  /** When the storage's clock was last set forward: leases of before were not kept to. */
  #setForwardAt = Number.NEGATIVE_INFINITY

  constructor(history: History, storageNow: () => number) {
    this.#history = history
    this.#storageNow = storageNow
  }

  /** What the log calls an incarnation. */
  nameOf(id: string): string {
    return this.#byId.get(id)?.name ?? '?'
  }

  find(id: string): LeaseRecord | undefined {
    return this.#byId.get(id)
  }

  /** The storage has registered it. */
  registered(
    { id, queue }: WorkerRef,
    { name, leaseMs }: { readonly name: string; readonly leaseMs: number },
    actor: Actor,
  ): void {
    const known = this.#byId.get(id)
    if (known === undefined) {
      const count = (this.#counts.get(name) ?? 0) + 1
      this.#counts.set(name, count)
      this.#byId.set(id, {
        name: `${name}#${count}`,
        queue,
        actor,
        leaseMs,
        renewedAt: this.#storageNow(),
        ended: false,
        trustedUntil: Number.NEGATIVE_INFINITY,
      })
      return
    }
    known.ended = false
    known.renewedAt = this.#storageNow()
  }

  /** The storage has answered a beat. */
  renewed(id: string): void {
    const lease = this.#byId.get(id)
    if (lease === undefined || lease.ended) {
      this.#history.fail('one owner', `a beat of ${this.nameOf(id)} went well after its end`)
    } else {
      lease.renewedAt = this.#storageNow()
    }
  }

  /** A good answer to a beat that began at `begun` has arrived. */
  trusted(id: string, begun: number): void {
    const lease = this.#byId.get(id)
    if (lease === undefined) return
    lease.trustedUntil = Math.max(lease.trustedUntil, begun + lease.leaseMs * TRUSTED)
  }

  ended(id: string): void {
    const lease = this.#byId.get(id)
    if (lease !== undefined) lease.ended = true
  }

  /** Whether nobody may have what it holds. */
  isLive(id: string): boolean {
    const lease = this.#byId.get(id)
    if (lease === undefined || lease.ended) return false
    return this.#storageNow() + AHEAD_MS < lease.renewedAt + lease.leaseMs
  }

  /** Whether its lease has surely lapsed. */
  hasLapsed(id: string): boolean {
    const lease = this.#byId.get(id)
    if (lease === undefined || lease.ended) return true
    return this.#storageNow() > lease.renewedAt + lease.leaseMs + AHEAD_MS
  }

  /** The storage's clock was set forward. */
  setForward(): void {
    this.#setForwardAt = this.#history.now
  }

  /** Whether its process may rely on nobody else having its tasks. */
  isHonoured(id: string): boolean {
    const lease = this.#byId.get(id)
    if (lease === undefined || lease.trustedUntil <= this.#history.now) return false
    return lease.trustedUntil - lease.leaseMs * TRUSTED > this.#setForwardAt
  }
}
