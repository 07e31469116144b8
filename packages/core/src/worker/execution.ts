import { LayerError } from '../errors/task-errors.ts'
import type { Slotted } from '../internal/swap-set.ts'
import type { Task } from '../task/task.ts'
import { RunCancellation } from '../service/cancellation.ts'
import type { RunEnd, RunObserver } from '../service/request.ts'
import type { Clock, Timer } from '../time/clock.ts'

/** What all runs of a worker share. */
export interface ExecutionHooks {
  readonly clock: Clock
  readonly began: (execution: Execution) => void
  /** Looks whether the claims may still be trusted; aborts the runs if not. */
  readonly checkTrust: () => void
  readonly leaked: (execution: Execution, end: Promise<unknown>) => void
}

/** One run of a task, from its start to its outcome, and what the outside ends it by. */
export class Execution extends RunCancellation implements RunObserver, Slotted {
  readonly task: Task<unknown>
  slot = -1
  /** By the monotonic clock. */
  readonly startedAt: number
  handlerBegan = false
  /** The outcome is known: whatever comes later is discarded. */
  ended = false
  /** The claim is another's by now, or nobody's: nothing is written for it. */
  lost = false
  /** The listeners were told that it runs for long. */
  longRunTold = false
  /** Settles when everything has come out of the stack that will. */
  finished: Promise<void> | undefined
  /** Something of it still runs, or did, although nobody waits for it. */
  leftBehind = false
  #timers: Timer[] | undefined
  #endListeners: ((end: RunEnd) => void)[] | undefined
  readonly #hooks: ExecutionHooks

  constructor(task: Task<unknown>, hooks: ExecutionHooks) {
    super()
    this.task = task
    this.#hooks = hooks
    this.startedAt = hooks.clock.monotonic()
  }

  began(): void {
    // It has waited in its layers, maybe for as long as the process stood still: no timer has told anybody yet.
    if (this.finished !== undefined) this.#hooks.checkTrust()
    // A layer may call the inside late, with a signal of its own: by then the task may be running elsewhere.
    if (this.aborted) throw this.reason
    if (this.ended)
      throw new LayerError('the handler was called after the run of its task had ended')
    this.handlerBegan = true
    this.#hooks.began(this)
  }

  leaked(end: Promise<unknown>): void {
    this.leftBehind = true
    this.#hooks.leaked(this, end)
  }

  onEnd(callback: (end: RunEnd) => void): void {
    this.#endListeners ??= []
    this.#endListeners.push(callback)
  }

  /** Whether anybody wants to know what becomes of it. */
  get endHeard(): boolean {
    return this.#endListeners !== undefined
  }

  /** Says what became of it; once. */
  tellEnd(end: RunEnd): void {
    for (const listener of this.#endListeners ?? []) listener(end)
  }

  /** Calls back after `ms`, unless the run ends before. */
  after(ms: number, callback: () => void): void {
    this.#timers ??= []
    this.#timers.push(this.#hooks.clock.setTimer(callback, ms))
  }

  /** Marks the end; false when it had ended before. */
  override end(): boolean {
    if (this.ended) return false
    this.ended = true
    super.end()
    if (this.#timers !== undefined) for (const timer of this.#timers) timer.cancel()
    return true
  }
}
