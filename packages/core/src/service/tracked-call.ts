import { isInterruptedError } from '../errors/task-errors.ts'
import type { Clock, Timer } from '../time/clock.ts'
import type { Cancellation } from './cancellation.ts'
import type { RunObserver } from './request.ts'

/** What a tracked call belongs to. */
export interface TrackedRun {
  readonly cancellation: Cancellation
  readonly observer: Pick<RunObserver, 'leaked'>
}

/**
 * An answer that comes later, or the reason why nobody waits for it any more: that of the cancellation, at once, or after one
 * grace for the shutdown deadline. What still goes on one grace after the abort is told as leaked.
 */
export class TrackedCall<Result> {
  readonly outcome: Promise<Result>
  readonly #result: Promise<Result>
  readonly #run: TrackedRun
  readonly #graceMs: number
  readonly #clock: Clock
  readonly #off: () => void
  #running = true
  #timer: Timer | undefined
  #resolve: (result: Result) => void = unset
  #reject: (reason: unknown) => void = unset

  constructor(result: Promise<Result>, run: TrackedRun, graceMs: number, clock: Clock) {
    this.#result = result
    this.#run = run
    this.#graceMs = graceMs
    this.#clock = clock
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#off = run.cancellation.onAbort((reason) => this.#abort(reason))
    result.then(
      (value) => {
        this.#end()
        this.#resolve(value)
      },
      (error: unknown) => {
        this.#end()
        this.#reject(error)
      },
    )
  }

  #abort(reason: unknown): void {
    if (!isInterruptedError(reason)) this.#reject(reason)
    this.#timer = this.#clock.setTimer(() => {
      if (!this.#running) return
      this.#run.observer.leaked(this.#result)
      this.#reject(reason)
    }, this.#graceMs)
  }

  #end(): void {
    this.#running = false
    this.#off()
    this.#timer?.cancel()
  }
}

function unset(): void {}
