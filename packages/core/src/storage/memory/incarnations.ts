import { LeaseLostError } from '../../errors/task-errors.ts'
import { SwapSet } from '../../internal/swap-set.ts'
import type { StoreWorker, WorkerRow } from '../task-store.ts'
import type { MemoryRow } from './memory-row.ts'

/** A worker's incarnation: a lease while it is registered, and the rows that it holds, which may outlive the lease. */
export interface Incarnation {
  readonly id: string
  readonly held: SwapSet<MemoryRow>
  lease: Lease | undefined
}

/** What a registered incarnation is trusted with. */
export interface Lease {
  readonly name: string
  readonly leaseMs: number
  readonly layers: readonly string[]
  readonly startedAt: number
  lastBeatAt: number
}

/** The incarnations of a queue: all that are registered or hold rows. */
export class Incarnations {
  readonly #byId = new Map<string, Incarnation>()

  get size(): number {
    return this.#byId.size
  }

  /** Begins a lease, or renews it. */
  register(worker: StoreWorker, now: number): void {
    const { id, name, leaseMs } = worker
    const incarnation = this.remember(id)
    incarnation.lease = {
      name,
      leaseMs,
      layers: Object.freeze([...worker.layers]),
      startedAt: incarnation.lease?.startedAt ?? now,
      lastBeatAt: now,
    }
  }

  find(id: string): Incarnation | undefined {
    return this.#byId.get(id)
  }

  /** The incarnation, without a lease if it was not known. */
  remember(id: string): Incarnation {
    let incarnation = this.#byId.get(id)
    if (incarnation === undefined) {
      incarnation = { id, held: new SwapSet<MemoryRow>(), lease: undefined }
      this.#byId.set(id, incarnation)
    }
    return incarnation
  }

  /** The incarnation; throws a `LeaseLostError` when its lease is not live. */
  live(id: string, now: number): Incarnation {
    const incarnation = this.#byId.get(id)
    if (incarnation === undefined || !isLive(incarnation, now)) throw new LeaseLostError(id)
    return incarnation
  }

  /** Renews the lease, also a lapsed one; throws a `LeaseLostError` when the incarnation is not registered. */
  renew(id: string, now: number): { readonly incarnation: Incarnation; readonly lease: Lease } {
    const incarnation = this.#byId.get(id)
    const lease = incarnation?.lease
    if (incarnation === undefined || lease === undefined) throw new LeaseLostError(id)
    lease.lastBeatAt = now
    return { incarnation, lease }
  }

  /** In how many milliseconds the next lease of another one that holds rows lapses; undefined: no other one holds any. */
  rescueIn(id: string, now: number): number | undefined {
    let soonest: number | undefined
    for (const other of this.#byId.values()) {
      if (other.id === id || other.held.size === 0) continue
      const left = Math.max(0, leaseEnd(other) - now)
      if (soonest === undefined || left < soonest) soonest = left
    }
    return soonest
  }

  /** Ends one lapsed lease after the other, for whoever takes what their holders hold; those that hold nothing are forgotten. */
  *sweep(now: number): Iterable<Incarnation> {
    for (const incarnation of this.#byId.values()) {
      if (isLive(incarnation, now)) continue
      if (incarnation.held.size > 0) yield incarnation
      else this.end(incarnation)
    }
  }

  /** Ends the lease. */
  end(incarnation: Incarnation): void {
    incarnation.lease = undefined
    this.#forgetUnused(incarnation)
  }

  /** The incarnation holds the row no longer. */
  release(incarnation: Incarnation, row: MemoryRow): void {
    incarnation.held.delete(row)
    if (incarnation.lease === undefined) this.#forgetUnused(incarnation)
  }

  /** The registered ones. */
  list(queue: string, now: number): WorkerRow[] {
    const workers: WorkerRow[] = []
    for (const { id, held, lease } of this.#byId.values()) {
      if (lease === undefined) continue
      const live = now < lease.lastBeatAt + lease.leaseMs
      workers.push({ id, queue, ...lease, live, held: held.size })
    }
    return workers
  }

  #forgetUnused(incarnation: Incarnation): void {
    if (incarnation.held.size === 0) this.#byId.delete(incarnation.id)
  }
}

function isLive(incarnation: Incarnation, now: number): boolean {
  return now < leaseEnd(incarnation)
}

/** Before all time when there is no lease. */
function leaseEnd({ lease }: Incarnation): number {
  return lease === undefined ? Number.NEGATIVE_INFINITY : lease.lastBeatAt + lease.leaseMs
}
