import {
  type Backend,
  type Completed,
  isCompleted,
  type Outcome,
  type Settled,
  type Settlement,
} from '../backend/backend.ts'
import type { EncodeError } from '../errors/backend-errors.ts'
import type { EventBody } from '../service/events.ts'
import type { Parts } from '../task/task.ts'
import type { Clock } from '../time/clock.ts'
import { SupervisedCalls, type BackendErrorPolicy } from './supervise.ts'

/** An outcome on its way to the backend. */
export interface Unsettled extends Settlement {
  readonly task: { readonly args?: unknown; readonly parts: Parts }
  /** Never started: given back without an event. */
  readonly unstarted?: boolean
  /** When the run began, by the monotonic clock; absent where there was none. */
  readonly startedAt?: number
  /** When it ended; absent when nobody listened by then. */
  readonly endedAt?: number | undefined
}

/** What became of an outcome once who had settled its task is settled, too. */
export type Written = Exclude<Settled, Completed>

/** Who hears of what was settled. */
export interface SettlerHooks {
  readonly onFailure: BackendErrorPolicy
  /** Whether the claims are still ours to settle. When not, what is pending is given up from outside. */
  readonly mayWrite: () => boolean
  /** Outcomes became durable, or were dropped. */
  readonly onSettled: (entries: readonly Unsettled[]) => void
  readonly emit: (event: EventBody) => void
  readonly eventsHeard: () => boolean
  /** Told each durable outcome. */
  readonly acknowledged: (entry: Unsettled, settled: Written) => void
}

/** Writes outcomes by group commit: while one settle is in flight outcomes gather, and the next takes them all. */
export class Settler {
  readonly #backend: Backend<unknown>
  readonly #clock: Clock
  readonly #hooks: SettlerHooks
  readonly #calls: SupervisedCalls
  #gathered: Unsettled[] = []
  /** In the call under way, or waiting for its repetition. */
  #inFlight = 0
  #pending: readonly Unsettled[] = []
  /** Grows when what is pending is given up, so that a call under way knows. */
  #generation = 0
  #endPause: () => void = () => {}

  constructor(backend: Backend<unknown>, clock: Clock, hooks: SettlerHooks) {
    this.#backend = backend
    this.#clock = clock
    this.#hooks = hooks
    this.#calls = new SupervisedCalls('settle', clock, hooks.onFailure)
  }

  /** Outcomes that are not durable yet. */
  get unsettled(): number {
    return this.#gathered.length + this.#inFlight
  }

  /** Takes an outcome; it travels with those of the same tick. */
  add(entry: Unsettled): void {
    this.#gathered.push(entry)
    if (this.#gathered.length === 1 && this.#inFlight === 0) queueMicrotask(() => this.#flush())
  }

  /** Gives up what is not durable, and answers with it: the lease is lost, or the time is over. */
  giveUp(): readonly Unsettled[] {
    const entries = [...this.#pending, ...this.#gathered]
    this.#generation += 1
    this.#gathered = []
    this.#pending = []
    this.#inFlight = 0
    this.#endPause()
    return entries
  }

  #flush(): void {
    if (this.#gathered.length === 0 || this.#inFlight > 0) return
    if (!this.#hooks.mayWrite()) return
    const entries = this.#gathered
    this.#gathered = []
    this.#pending = entries
    this.#inFlight = entries.length
    void this.#settle(entries, this.#generation)
  }

  async #settle(entries: readonly Unsettled[], generation: number): Promise<void> {
    for (;;) {
      try {
        const answers = await this.#call(entries)
        if (generation !== this.#generation) return
        this.#calls.succeeded()
        this.#pending = []
        this.#inFlight = 0
        this.#tell(entries, answers)
        this.#flush()
        return
      } catch (error) {
        if (generation !== this.#generation) return
        const delay = this.#calls.failed(error)
        if (delay === 'end') {
          this.#drop()
          return
        }
        await this.#pause(delay)
        if (generation !== this.#generation || !this.#hooks.mayWrite()) return
      }
    }
  }

  async #call(entries: readonly Unsettled[]): Promise<readonly Settled[] | undefined> {
    return this.#backend.settle?.(entries)
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(resolve, delayMs)
      this.#endPause = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  #drop(): void {
    const entries = this.giveUp()
    this.#hooks.emit({ type: 'dropped', what: 'outcomes', count: entries.length })
    this.#hooks.onSettled(entries)
  }

  #tell(entries: readonly Unsettled[], answers: readonly Settled[] | undefined): void {
    const heard = this.#hooks.eventsHeard()
    entries.forEach((given, index) => {
      const answer = answers?.[index] ?? 'applied'
      if (given.unstarted === true) return
      const completed = isCompleted(answer)
      // It was done before, whatever came of the handler afterwards.
      const entry: Unsettled = completed
        ? { ...given, outcome: { type: 'done', result: answer.completed } }
        : given
      const settled = completed ? 'repeated' : answer
      if (completed && given.outcome.type !== 'done' && given.outcome.error !== undefined) {
        const { error } = given.outcome
        this.#hooks.emit({ type: 'error', operation: 'handler after settleWithin', error })
      }
      if (heard) this.#hooks.emit(this.#eventOf(entry, settled))
      this.#hooks.acknowledged(entry, settled)
    })
    this.#hooks.onSettled(entries)
  }

  #eventOf({ task, outcome, startedAt, endedAt }: Unsettled, settled: Written): EventBody {
    if (settled === 'stale') return { type: 'lost', task, reason: 'taken' }
    if (settled === 'cancelled') return { type: 'lost', task, reason: 'cancelled' }
    // For whoever began to listen only afterwards, the time that storing took is part of it.
    const durationMs = (endedAt ?? this.#clock.monotonic()) - (startedAt ?? 0)
    const took = startedAt === undefined ? {} : { durationMs }
    if (typeof settled !== 'string') {
      const error: EncodeError = settled
      return { type: 'error', task, outcome: 'killed', error, ...took }
    }
    if (outcome.type === 'done') {
      return { type: 'success', task, result: outcome.result, durationMs }
    }
    // Nobody but the backend runs it again.
    const waitMs = this.#backend.settle === undefined ? undefined : waitOf(outcome)
    return {
      type: 'error',
      task,
      outcome: outcome.type,
      error: outcome.error,
      ...took,
      ...(waitMs === undefined ? {} : { retryAt: new Date(this.#clock.now() + waitMs) }),
    }
  }
}

function waitOf(outcome: Outcome<unknown>): number | undefined {
  if (outcome.type === 'failed') return outcome.retryIn
  if (outcome.type === 'released') return outcome.dueIn
  return undefined
}
