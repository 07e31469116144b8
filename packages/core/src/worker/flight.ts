import type { Outcome, Revoked } from '../backend/backend.ts'
import {
  InterruptedError,
  LeaseLostError,
  TaskKilledError,
  TimeoutError,
} from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { SwapSet } from '../internal/swap-set.ts'
import { channels, type RunStartMessage } from '../service/diagnostics.ts'
import type { EventBody } from '../service/events.ts'
import { type RunEnd, RunRequest } from '../service/request.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { Task } from '../task/task.ts'
import { type Clock, sleep, type Timer } from '../time/clock.ts'
import { isOfClaim } from './claim-of.ts'
import { Execution, type ExecutionHooks } from './execution.ts'
import { failureOutcome, type FailureRules } from './outcome.ts'
import type { Stack } from './stack.ts'

/** How long a backoff may think. */
const DECISION_MS = 10_000
/** When a failed run is tried again whose outcome could not be decided. */
const UNDECIDED_RETRY_MS = 1_000

/** What a flight needs of its worker. */
export interface FlightDeps {
  readonly stack: Stack
  readonly data: object
  readonly context: WorkerContext
  readonly clock: Clock
  readonly rules: Omit<FailureRules, 'inTime'>
  readonly graceMs: number
  readonly longRunAfterMs: number
  readonly emit: (event: EventBody) => void
  readonly eventsHeard: () => boolean
  /** Whether the claims may be trusted now; when not, `loseAll` was called by then. */
  readonly trusted: () => boolean
  /** A run ended: exactly one outcome for each that was not lost. */
  readonly settle: (execution: Execution, outcome: Outcome) => void
  /** A run ended, lost or not. */
  readonly onEnd: () => void
}

/** The runs under way, and the outermost acknowledgement: whatever happens in a run ends in exactly one outcome. */
export class Flight {
  readonly #deps: FlightDeps
  readonly #hooks: ExecutionHooks
  readonly #running = new SwapSet<Execution>()
  /** Ended runs whose backoff is still being asked. */
  readonly #deciding = new SwapSet<Execution>()
  /** Aborts when nobody may be waited for any more. */
  readonly #interrupted = new AbortController()
  #longRuns: Timer | undefined
  #leaked = 0

  constructor(deps: FlightDeps) {
    this.#deps = deps
    this.#hooks = {
      clock: deps.clock,
      began: (execution) => this.#began(execution),
      leaked: (execution, end) => this.#leak(execution, end),
      checkTrust: () => void deps.trusted(),
    }
  }

  /** Runs under way. */
  get size(): number {
    return this.#running.size + this.#deciding.size
  }

  /** Handlers that still run although nobody waits for them. */
  get leaked(): number {
    return this.#leaked
  }

  /** Runs a task through the stack. Returns as soon as it waits for something. */
  start(task: Task<unknown>): void {
    const { clock, context, data, stack } = this.#deps
    const execution = new Execution(task, this.#hooks)
    const { timeoutMs } = task.parts
    if (timeoutMs !== undefined) {
      const error = new TimeoutError(`task ${task.parts.taskId}`, timeoutMs)
      execution.after(timeoutMs, () => this.#abort(execution, error))
    }
    this.#running.add(execution)
    const request = new RunRequest(task, data, context, clock, execution, execution)
    try {
      const result = channels.start.hasSubscribers
        ? channels.start.runStores(this.#labels(task), () => stack.call(request))
        : stack.call(request)
      if (isPromise(result)) {
        execution.finished = result.then(
          (value) => this.#succeed(execution, value),
          (error: unknown) => this.#fail(execution, error),
        )
      } else {
        this.#succeed(execution, result)
      }
    } catch (error) {
      this.#fail(execution, error)
    }
  }

  /** The shutdown deadline has passed: every signal aborts; what throws, or does not end, is released. */
  interrupt(): void {
    for (const execution of this.#running.all()) this.#abort(execution, new InterruptedError())
    this.#interrupted.abort()
  }

  /** A claim is gone: what runs under it, if anything does, is lost. */
  revoke(claim: Revoked): void {
    const { id, reason } = claim
    for (const execution of this.#running.all()) {
      if (execution.lost || !isOfClaim(execution.task.parts, claim)) continue
      const error = reason === 'cancelled' ? new TaskKilledError(id) : this.#leaseLost()
      this.#lose(execution, reason, error)
    }
  }

  /** All claims are gone. */
  loseAll(): void {
    for (const execution of this.#running.all()) {
      if (!execution.lost) this.#lose(execution, 'lease', this.#leaseLost())
    }
    for (const execution of this.#deciding.all()) {
      execution.lost = true
      this.#deps.emit({ type: 'lost', task: execution.task, reason: 'lease' })
    }
  }

  /** Stops the timer for long runs. */
  close(): void {
    this.#longRuns?.cancel()
    this.#longRuns = undefined
  }

  #leak({ task }: Execution, end: Promise<unknown>): void {
    this.#leaked += 1
    const over = (): void => {
      this.#leaked -= 1
    }
    end.then(over, over)
    this.#deps.emit({ type: 'leaked', task })
  }

  #leaseLost(): LeaseLostError {
    return new LeaseLostError(this.#deps.context.id)
  }

  #lose(execution: Execution, reason: 'lease' | 'taken' | 'cancelled', error: Error): void {
    execution.lost = true
    this.#deps.emit({ type: 'lost', task: execution.task, reason })
    this.#abort(execution, error)
  }

  #abort(execution: Execution, reason: Error): void {
    if (execution.ended || execution.aborted) return
    execution.abort(reason)
    // Tracking ends the call by now or after one grace. A layer that swallows that ends it never: then we do.
    const { graceMs } = this.#deps
    execution.after(reason instanceof InterruptedError ? 2 * graceMs : graceMs, () => {
      const { finished, leftBehind } = execution
      // Not the handler's doing: a layer keeps what came out of it.
      if (finished !== undefined && !leftBehind) this.#leak(execution, finished)
      this.#fail(execution, reason)
    })
  }

  #succeed(execution: Execution, result: unknown): void {
    if (!this.#end(execution)) return
    this.#conclude(execution, { type: 'done', result })
  }

  #fail(execution: Execution, error: unknown): void {
    if (!this.#end(execution)) return
    const outcome = this.#decide(execution, error)
    if (outcome instanceof Promise) {
      this.#deciding.add(execution)
      void outcome.then((decided) => {
        this.#deciding.delete(execution)
        this.#conclude(execution, decided)
      })
    } else {
      this.#conclude(execution, outcome)
    }
  }

  #decide(execution: Execution, error: unknown): Outcome | Promise<Outcome> {
    const { task, handlerBegan: began, reason } = execution
    const { rules } = this.#deps
    try {
      return failureOutcome(
        { task, error, began, reason },
        { ...rules, inTime: (promise) => this.#inTime(promise) },
      )
    } catch (failure) {
      // An error that cannot even be looked at is one like any other.
      rules.onBackoffError(failure)
      const { current, max } = task.parts.attempt
      return current >= max
        ? { type: 'killed', error }
        : { type: 'failed', error, retryIn: UNDECIDED_RETRY_MS }
    }
  }

  /** A promise of the user's, as long as it can be waited for. */
  #inTime<Value>(promise: Promise<Value>): Promise<Value> {
    const { clock } = this.#deps
    const { signal } = this.#interrupted
    const over = new AbortController()
    const giveUp = AbortSignal.any([signal, over.signal])
    const late = sleep(clock, DECISION_MS, { signal: giveUp }).then(() => {
      throw new TimeoutError('the decision about the next attempt', DECISION_MS)
    })
    // It rejects also when the decision was in time, and then nobody is to hear of it.
    late.catch(() => undefined)
    return Promise.race([promise, late]).finally(() => over.abort())
  }

  #end(execution: Execution): boolean {
    this.#running.delete(execution)
    return execution.end()
  }

  #conclude(execution: Execution, outcome: Outcome): void {
    if (execution.endHeard || channels.end.hasSubscribers) this.#tellEnd(execution, outcome)
    if (!execution.lost) this.#deps.settle(execution, outcome)
    this.#deps.onEnd()
  }

  #tellEnd(execution: Execution, outcome: Outcome): void {
    const end = endOf(execution, outcome)
    execution.tellEnd(end)
    if (!channels.end.hasSubscribers) return
    const durationMs = this.#deps.clock.monotonic() - execution.startedAt
    channels.end.publish({ ...this.#labels(execution.task), ...end, durationMs })
  }

  #labels(task: Task<unknown>): RunStartMessage {
    const { name, queue } = this.#deps.context
    return { worker: name, queue, task }
  }

  #began(execution: Execution): void {
    const { clock, emit, eventsHeard, longRunAfterMs } = this.#deps
    if (!eventsHeard()) return
    const waitedMs = clock.monotonic() - execution.startedAt
    emit({ type: 'engage', task: execution.task, waitedMs })
    this.#longRuns ??= clock.setTimer(this.#tellLongRuns, longRunAfterMs, { background: true })
  }

  readonly #tellLongRuns = (): void => {
    const { clock, emit, longRunAfterMs } = this.#deps
    this.#longRuns = undefined
    let next = Number.POSITIVE_INFINITY
    for (const execution of this.#running.all()) {
      if (execution.longRunTold) continue
      const left = execution.startedAt + longRunAfterMs - clock.monotonic()
      if (left <= 0) {
        execution.longRunTold = true
        emit({ type: 'longRun', task: execution.task })
      } else {
        next = Math.min(next, left)
      }
    }
    if (next !== Number.POSITIVE_INFINITY) {
      this.#longRuns = clock.setTimer(this.#tellLongRuns, next, { background: true })
    }
  }
}

function endOf({ lost, reason }: Execution, outcome: Outcome): RunEnd {
  if (lost) return { outcome: 'lost', error: reason }
  return outcome.type === 'done' || outcome.error === undefined
    ? { outcome: outcome.type }
    : { outcome: outcome.type, error: outcome.error }
}
