import { CircuitOpenError } from '../errors/task-errors.ts'
import type { Obstacle } from '../service/service.ts'
import type { Clock } from '../time/clock.ts'
import { Turns } from './turns.ts'
import { WindowCounts } from './window-counts.ts'

/** Where a circuit breaker is: it lets calls through, none, or some to see whether they succeed again. */
export type CircuitState = 'closed' | 'open' | 'half-open'

/** What a circuit is told to do; checked. */
export interface CircuitRules {
  readonly failures: number | undefined
  readonly rate: number | undefined
  readonly windowMs: number
  readonly minimum: number
  readonly recoveryMs: number
  readonly probes: number
  readonly successes: number
}

/** A change of state. */
export interface CircuitChange {
  readonly from: CircuitState
  readonly to: CircuitState
  /** Why it changed, in a few words. */
  readonly reason: string
  /** Where it opened: when it lets calls through again. */
  readonly until?: Date
}

/** How a call ended, as far as the circuit is concerned. */
export type CircuitOutcome = 'success' | 'failure' | 'neither'

/** What a circuit breaker has seen since it was made. */
export interface CircuitStatistics {
  readonly state: CircuitState
  readonly successes: number
  readonly failures: number
  /** Calls whose end says nothing about what is called: refused, given back, interrupted, or not to be counted. */
  readonly ignored: number
  /** Calls that were not let through. */
  readonly refused: number
  /** How often it opened. */
  readonly opened: number
  readonly failuresInARow: number
  /** The share of the calls in the window that failed; 0 without a `rate`. */
  readonly failureRate: number
  /** While it is open: when it tries again. */
  readonly until?: Date
}

/** The states of one circuit breaker, and who may call when; shared by every worker that uses it. */
export class Circuit extends Turns {
  readonly #rules: CircuitRules
  readonly #window: WindowCounts | undefined
  readonly #onChange: (change: CircuitChange) => void
  readonly #ended = { success: 0, failure: 0, neither: 0 }
  #refused = 0
  #opened = 0
  #failuresInARow = 0
  #state: CircuitState = 'closed'
  /** Calls that began before the last change say nothing about the state after it. */
  #era = 0
  #reason = ''
  #openUntil = 0
  #probing = 0
  #succeeded = 0
  /** That of the first call: before there is nothing to measure. */
  #clock: Clock | undefined

  constructor(rules: CircuitRules, onChange: (change: CircuitChange) => void) {
    super()
    this.#rules = rules
    this.#window = rules.rate === undefined ? undefined : new WindowCounts(rules.windowMs)
    this.#onChange = onChange
  }

  /** Measures by `clock`, unless it has one. */
  measureBy(clock: Clock): void {
    this.#clock ??= clock
  }

  /** The state now: an open circuit whose time has come is half-open. */
  get state(): CircuitState {
    if (this.#state === 'open' && this.#now() >= this.#openUntil) {
      this.#change('half-open', 'the recovery time has passed')
    }
    return this.#state
  }

  get era(): number {
    return this.#era
  }

  get statistics(): CircuitStatistics {
    const { state, until } = this
    const { success: successes, failure: failures, neither: ignored } = this.#ended
    this.#window?.moveTo(this.#now())
    const { calls, marks } = this.#window ?? { calls: 0, marks: 0 }
    return {
      state,
      successes,
      failures,
      ignored,
      refused: this.#refused,
      opened: this.#opened,
      failuresInARow: this.#failuresInARow,
      failureRate: calls === 0 ? 0 : marks / calls,
      ...(until && { until }),
    }
  }

  /** When an open circuit lets calls through again. */
  get until(): Date | undefined {
    const wait = this.comesIn()
    return wait && new Date(wait.clock.now() + wait.ms)
  }

  get obstacle(): Obstacle {
    const { until } = this
    return until === undefined
      ? { reason: `half-open: ${this.#probing} of ${this.#rules.probes} probes in flight` }
      : { reason: `open: ${this.#reason}`, until }
  }

  /** What a call ends with that is not let through. */
  refuse(): CircuitOpenError {
    this.#refused += 1
    const { reason } = this.obstacle
    const wait = this.comesIn()
    return new CircuitOpenError(`circuit breaker is ${reason}`, wait && { retryIn: wait.ms })
  }

  override available(ahead = 0): number {
    const { state } = this
    if (state === 'closed') return Infinity
    if (state === 'half-open') return this.#rules.probes - this.#probing
    return this.#now() + ahead >= this.#openUntil ? this.#rules.probes : 0
  }

  protected override use(): void {
    if (this.#state === 'half-open') this.#probing += 1
  }

  override comesIn(): { readonly clock: Clock; readonly ms: number } | undefined {
    if (this.state !== 'open' || this.#clock === undefined) return undefined
    return { clock: this.#clock, ms: Math.max(1, Math.ceil(this.#openUntil - this.#now())) }
  }

  /** A call that was let through in `era` ended. */
  ended(era: number, outcome: CircuitOutcome): void {
    this.#ended[outcome] += 1
    if (era !== this.#era) return
    if (this.#state === 'closed') this.#countClosed(outcome)
    else this.#countProbe(outcome)
  }

  #countClosed(outcome: CircuitOutcome): void {
    if (outcome === 'neither') return
    const failed = outcome === 'failure'
    this.#failuresInARow = failed ? this.#failuresInARow + 1 : 0
    if (this.#window !== undefined) {
      this.#window.moveTo(this.#now())
      this.#window.add(1, failed ? 1 : 0)
    }
    if (failed) this.#openIfDue()
  }

  #openIfDue(): void {
    const { failures = Infinity, rate = Infinity, minimum } = this.#rules
    const row = this.#failuresInARow
    if (row >= failures) {
      this.#open(row === 1 ? 'a failure' : `${row} failures in a row`)
      return
    }
    const { calls, marks } = this.#window ?? { calls: 0, marks: 0 }
    if (calls >= minimum && marks / calls >= rate) this.#open(`${marks} of ${calls} calls failed`)
  }

  #countProbe(outcome: CircuitOutcome): void {
    this.#probing -= 1
    if (outcome === 'failure') {
      this.#failuresInARow += 1
      this.#open('a probe failed')
      return
    }
    if (outcome === 'success') this.#succeeded += 1
    if (this.#succeeded < this.#rules.successes) {
      this.distribute()
      return
    }
    this.#failuresInARow = 0
    this.#window?.clear()
    this.#change('closed', 'what it let through succeeded')
  }

  #open(reason: string): void {
    this.#opened += 1
    this.#openUntil = this.#now() + this.#rules.recoveryMs
    this.#change('open', reason)
  }

  #change(to: CircuitState, reason: string): void {
    const from = this.#state
    this.#state = to
    this.#era += 1
    this.#reason = reason
    this.#probing = 0
    this.#succeeded = 0
    const { until } = this
    this.#onChange({ from, to, reason, ...(until && { until }) })
    this.distribute()
  }

  #now(): number {
    return this.#clock?.monotonic() ?? 0
  }
}
