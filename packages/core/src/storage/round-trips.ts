import { isBackendError } from '../errors/backend-errors.ts'
import { microtasksDone } from '../internal/microtasks.ts'
import type {
  Claimed,
  ClaimOptions,
  StoreSettled,
  StoreSettlement,
  TaskStore,
  WorkerRef,
} from './task-store.ts'

interface Settle extends PromiseWithResolvers<readonly StoreSettled[]> {
  readonly rows: readonly StoreSettlement[]
}

interface Claim extends PromiseWithResolvers<Claimed> {
  readonly limit: number
  readonly options: ClaimOptions
}

/**
 * So many rounds of microtasks a settle waits for a claim, or the other way round: an answer leads to the one at once, and
 * to the other after the tasks of the answer have begun, and those of them have ended that never wait.
 */
const ROUNDS = 3

/** The settles and claims of one incarnation: one of each that meet in a turn of the event loop travel as one `exchange`. */
export class RoundTrips {
  readonly #store: TaskStore
  readonly #worker: WorkerRef
  #settle: Settle | undefined
  #claim: Claim | undefined

  constructor(store: TaskStore, worker: WorkerRef) {
    this.#store = store
    this.#worker = worker
  }

  /** See `TaskStore.settle`. */
  settle(rows: readonly StoreSettlement[]): Promise<readonly StoreSettled[]> {
    if (this.#store.exchange === undefined || this.#settle !== undefined) {
      return this.#store.settle(this.#worker, rows)
    }
    const settle = { rows, ...Promise.withResolvers<readonly StoreSettled[]>() }
    this.#settle = settle
    this.#schedule()
    return settle.promise
  }

  /** See `TaskStore.claim`. */
  claim(limit: number, options: ClaimOptions): Promise<Claimed> {
    if (this.#store.exchange === undefined || this.#claim !== undefined) {
      return this.#store.claim(this.#worker, limit, options)
    }
    const claim = { limit, options, ...Promise.withResolvers<Claimed>() }
    this.#claim = claim
    this.#schedule()
    return claim.promise
  }

  #schedule(): void {
    if (this.#settle !== undefined && this.#claim !== undefined) return
    void this.#afterRounds()
  }

  async #afterRounds(): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) await microtasksDone()
    this.#go()
  }

  #go(): void {
    const settle = this.#settle
    const claim = this.#claim
    this.#settle = undefined
    this.#claim = undefined
    if (settle !== undefined && claim !== undefined) void this.#exchange(settle, claim)
    else if (settle !== undefined) settle.resolve(this.#store.settle(this.#worker, settle.rows))
    else if (claim !== undefined) claim.resolve(this.#claimAlone(claim))
  }

  #claimAlone({ limit, options }: Claim): Promise<Claimed> {
    return this.#store.claim(this.#worker, limit, options)
  }

  async #exchange(settle: Settle, claim: Claim): Promise<void> {
    try {
      const { limit, options } = claim
      const both = await this.#store.exchange?.(this.#worker, settle.rows, limit, options)
      if (both === undefined) throw new TypeError('the store has no exchange any more')
      settle.resolve(both.settled)
      claim.resolve(both.claimed)
    } catch (error) {
      // Outcomes are to be stored whatever was the matter with the claim; those that were answer `repeated`.
      settle.resolve(this.#store.settle(this.#worker, settle.rows))
      // And the other way round, unless the exchange may have claimed.
      if (isBackendError(error) && error.applied === 'no') claim.resolve(this.#claimAlone(claim))
      else claim.reject(error)
    }
  }
}
