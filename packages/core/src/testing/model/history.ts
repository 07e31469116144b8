import type {
  Claim,
  Claimed,
  StoreSettlement,
  StoreWorker,
  WorkerRef,
} from '../../storage/task-store.ts'
import type { Call } from './call.ts'
import { leaseLost, type Reference } from './reference.ts'
import { Trial, type TrialOptions } from './trial.ts'
import { beatCall, claimCall, exchangeCall, registerCall, settleCall } from './worker-calls.ts'

/** A claim that a worker has, or once had. */
export interface KnownClaim extends Claim {
  readonly worker: WorkerRef
}

/** What producers, workers and administrators do in a trial, and what workers know of it. */
export class History {
  readonly trial: Trial
  /** Every claim so far, oldest first. */
  readonly claims: KnownClaim[] = []
  /** Whether the storage settles and claims in one call. */
  readonly exchanges: boolean

  constructor(options: TrialOptions) {
    this.trial = new Trial(options)
    this.exchanges = options.connections.every((store) => typeof store.exchange === 'function')
  }

  get reference(): Reference {
    return this.trial.reference
  }

  /** Makes a call. When its answer is lost it is made again, as whoever hears nothing does. */
  async make<Answer>(call: Call<Answer>, lost = false): Promise<readonly Answer[]> {
    if (!lost) return [await this.trial.make(call)]
    const unheard = await this.trial.make(call, ' (the answer is lost)')
    return [unheard, await this.trial.make(call, ' again')]
  }

  /** Makes sure that the worker is registered and its lease live, as it would itself. */
  async enlist(worker: StoreWorker): Promise<void> {
    if (this.reference.lease(worker) === undefined) await this.make(registerCall(worker))
    else if (!this.reference.isLive(worker)) await this.make(beatCall(worker))
  }

  /** Claims. What nobody heard of is a claim all the same. */
  async claim(worker: WorkerRef, limit: number, suspects: 0 | 1, lost = false): Promise<void> {
    for (const claimed of await this.make(claimCall(worker, limit, suspects), lost)) {
      this.#remember(worker, claimed)
    }
  }

  /** Settles. */
  async settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    lost = false,
  ): Promise<void> {
    await this.make(settleCall(worker, settlements), lost)
  }

  /** Settles and claims in one call. */
  async exchange(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    lost = false,
  ): Promise<void> {
    for (const answer of await this.make(exchangeCall(worker, settlements, limit), lost)) {
      if ('claimed' in answer) this.#remember(worker, answer.claimed)
    }
  }

  /** Lets a worker's lease lapse, while all others beat every `stepMs`. */
  async die(worker: WorkerRef, stepMs: number): Promise<void> {
    while (this.reference.isLive(worker)) {
      for (const other of this.reference.leases) {
        if (other.id !== worker.id && this.reference.isLive(other)) await this.make(beatCall(other))
      }
      await this.trial.advance(stepMs)
    }
  }

  /** Claims that the storage still holds for whoever made them. */
  get open(): readonly KnownClaim[] {
    return this.claims.filter(({ worker, id, epoch }) => {
      const row = this.reference.find(worker.queue, id)?.row
      return row?.lockedBy === worker.id && row.epoch === epoch
    })
  }

  #remember(worker: WorkerRef, claimed: Claimed | typeof leaseLost): void {
    if (claimed === leaseLost) return
    for (const { id, epoch } of claimed.rows) this.claims.push({ worker, id, epoch })
  }
}
