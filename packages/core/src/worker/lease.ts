import type { Backend, Beat } from '../backend/backend.ts'
import { BackendError } from '../errors/backend-errors.ts'
import { isLeaseLostError } from '../errors/task-errors.ts'
import { show } from '../internal/validate.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import { type Clock, sleep, type Timer, turn } from '../time/clock.ts'
import { SupervisedCalls, type BackendErrorPolicy } from './supervise.ts'

/** Who hears of the lease of one incarnation. */
export interface LeaseHooks {
  readonly onBeat: (beat: Beat) => void
  /** Once: this incarnation is over. */
  readonly onLost: () => void
  readonly onFailure: BackendErrorPolicy
}

/** Keeps the lease of one worker incarnation by its backend's heartbeat, and knows for how long it may be trusted. */
export class Lease {
  readonly #backend: Backend<unknown>
  readonly #worker: WorkerContext
  readonly #clock: Clock
  readonly #hooks: LeaseHooks
  readonly #calls: SupervisedCalls
  readonly #ending = new AbortController()
  #beats: AsyncIterator<Beat> | undefined
  /** The last beat failed: the backend gives a new iterator for the same incarnation. */
  #renew = true
  #trustedUntil = 0
  #trustTimer: Timer | undefined
  #lost = false
  #begun = false

  constructor(backend: Backend<unknown>, worker: WorkerContext, clock: Clock, hooks: LeaseHooks) {
    this.#backend = backend
    this.#worker = worker
    this.#clock = clock
    this.#hooks = hooks
    this.#calls = new SupervisedCalls('beat', clock, hooks.onFailure)
  }

  /** Whether the claims of this incarnation may be trusted now. A blocked event loop is noticed here, before any timer fires. */
  get trusted(): boolean {
    if (this.#lost) return false
    if (this.#backend.heartbeat === undefined) return true
    if (this.#clock.monotonic() < this.#trustedUntil) return true
    if (this.#begun) this.lose()
    return false
  }

  /** Begins the beats; settles after the first good one, or when the lease is lost or ended before it. */
  begin(): Promise<void> {
    if (this.#backend.heartbeat === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      void this.#beat(resolve).finally(resolve)
    })
  }

  /** Ends the beats and, by the iterator's `return`, the incarnation in the backend. Rejects when the backend fails. */
  async end(): Promise<void> {
    this.#trustTimer?.cancel()
    this.#ending.abort()
    await this.#beats?.return?.()
  }

  async #beat(first: () => void): Promise<void> {
    while (!this.#ending.signal.aborted && !this.#lost) {
      try {
        if (this.#renew) {
          const { signal } = this.#ending
          this.#beats = this.#backend.heartbeat?.(this.#worker, signal)[Symbol.asyncIterator]()
          this.#renew = false
        }
        const beat = await this.#beats?.next()
        if (this.#ending.signal.aborted || this.#lost) return
        if (beat === undefined || beat.done === true) {
          // A heartbeat that ends by itself says that there is nothing more to confirm.
          this.#trustTimer?.cancel()
          this.#trustedUntil = Number.POSITIVE_INFINITY
          return
        }
        const wrong = wrongWith(beat.value)
        if (wrong !== undefined) {
          if (await this.#pauseAfter(wrong)) continue
          return
        }
        this.#calls.succeeded()
        this.#trust(beat.value)
        this.#hooks.onBeat(beat.value)
        first()
        // A backend that does not pace its beats must not keep everybody else from running.
        await turn()
      } catch (error) {
        if (this.#ending.signal.aborted || this.#lost) return
        if (isLeaseLostError(error)) {
          this.lose()
          return
        }
        if (!(await this.#pauseAfter(error))) return
        this.#renew = true
      }
    }
  }

  /** False: there shall be no other beat. */
  async #pauseAfter(error: unknown): Promise<boolean> {
    const delay = this.#calls.failed(error)
    if (delay === 'end') return false
    await sleep(this.#clock, delay, { signal: this.#ending.signal })
    return true
  }

  #trust({ trustMs }: Beat): void {
    this.#begun = true
    this.#trustedUntil = this.#clock.monotonic() + trustMs
    this.#trustTimer?.cancel()
    this.#trustTimer = this.#clock.setTimer(() => this.lose(), trustMs)
  }

  /** The incarnation is over: its backend said so, or nobody can be sure of its claims any more. */
  lose(): void {
    if (this.#lost || this.#ending.signal.aborted) return
    this.#lost = true
    this.#trustTimer?.cancel()
    this.#hooks.onLost()
  }
}

/**
 * Why a beat counts for nothing: it is none, or came too late to be trusted. Then the time of the last good one runs on, and
 * the next one is asked for after a pause.
 */
function wrongWith(beat: Partial<Beat> | undefined): BackendError | undefined {
  const { trustMs, revoked } = beat ?? {}
  if (typeof trustMs !== 'number' || Number.isNaN(trustMs)) {
    return new BackendError('beat', `its trustMs is ${show(trustMs)}, and no number`)
  }
  if (!Array.isArray(revoked)) return new BackendError('beat', 'its revoked is no array')
  return trustMs > 0 ? undefined : new BackendError('beat', `it came too late by ${-trustMs} ms`)
}
