import { toStoredError } from '../errors/stored-error.ts'
import {
  isAbortError,
  isDeferredError,
  isRefusal,
  isRetryAfterError,
  TimeoutError,
} from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { func, knownKeys, OptionError, wholeNumber } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { asRun } from '../service/request.ts'
import type { Layer, Service, TaskRequest } from '../service/service.ts'
import { type Backoff, exponential } from '../task/backoff.ts'
import { carriedMs, type Duration, durationMs } from '../time/duration.ts'
import { atOnce } from './at-once.ts'
import { pause } from './pause.ts'
import type { RetryBudget } from './retry-budget.ts'

/** Options of {@link retry}. */
export interface RetryOptions {
  /** The most calls of the inside in one run of the task, the first included, from 1 to 1,000. @default 3 */
  readonly times?: number
  /** How long to wait before the next call; told how many there were. @default exponential('100ms', { max: '10s' }) */
  readonly backoff?: Backoff
  /** Whether to call again after this error; answers at once. @default any, but those that are never retried */
  readonly when?: (error: unknown, request: TaskRequest) => boolean
  /** Takes every retry from this budget, which other layers may share. @default no bound but `times` */
  readonly budget?: RetryBudget
  /**
   * The longest wait that is not of this layer's choice: for a `RetryAfterError`, or until a limit inside takes another
   * call. Where it would be longer the retries are over, and it is the storage that waits. @default '30s'
   */
  readonly maxWait?: Duration
}

/** How long a backoff may think. */
const DECISION_MS = 10_000

const defaultBackoff: Backoff = exponential('100ms', { max: '10s' })

/**
 * Calls the inside again when it fails, within the same run: the storage sees one attempt, which ends as the last call
 * did. A `RetryAfterError` waits as long as it says, a `DeferredError` not at all. Never retried: an `AbortError`, a
 * snooze, what a limit refused, and whatever comes out of a run that was aborted. A wait ends at once when the run is
 * aborted, and when the worker begins to stop. Every retry is told as a `custom` event `retry`. Permits held outside of
 * this layer are held during its waits, those inside of it are taken anew. tower's `RetryLayer`, apalis's `retry`.
 */
export function retry(options: RetryOptions = {}): Layer {
  const plan = checked(options)
  const layer: Layer = (inner) =>
    around(inner, (request) => {
      plan.budget?.deposit(asRun(request).clock.monotonic())
      let result
      try {
        result = inner.call(request)
      } catch (error) {
        if (plan.times === 1) throw error
        return new Tries(plan, inner, request).after(error)
      }
      if (!isPromise(result) || plan.times === 1) return result
      return result.then(undefined, (error: unknown) =>
        new Tries(plan, inner, request).after(error),
      )
    })
  return ownLayer(layer, { layerName: 'retry' })
}

interface Plan {
  readonly times: number
  readonly backoff: Backoff
  readonly when: ((error: unknown, request: TaskRequest) => boolean) | undefined
  readonly budget: RetryBudget | undefined
  readonly maxWaitMs: number
}

function checked(options: RetryOptions): Plan {
  knownKeys('retry', options, ['times', 'backoff', 'when', 'budget', 'maxWait'])
  const { times = 3, backoff = defaultBackoff, when, budget, maxWait = '30s' } = options
  if (when !== undefined) func('retry when', when)
  if (
    budget !== undefined &&
    (typeof budget?.deposit !== 'function' || typeof budget.withdraw !== 'function')
  ) {
    throw new OptionError('retry budget', budget, 'what retryBudget() makes')
  }
  return {
    times: wholeNumber('retry times', times, { min: 1, max: 1_000 }),
    backoff: func('retry backoff', backoff),
    when,
    budget,
    maxWaitMs: durationMs('retry maxWait', maxWait),
  }
}

/** The calls after one that failed. */
class Tries<Req extends TaskRequest, Res> {
  readonly #plan: Plan
  readonly #inner: Service<Req, Res>
  readonly #request: Req
  #made = 1

  constructor(plan: Plan, inner: Service<Req, Res>, request: Req) {
    this.#plan = plan
    this.#inner = inner
    this.#request = request
  }

  /** What the first call to succeed gives, or the error after which there is none. */
  async after(first: unknown): Promise<Awaited<Res>> {
    let failure = first
    while (await this.#again(failure)) {
      this.#made += 1
      try {
        return await this.#inner.call(this.#request)
      } catch (error) {
        // Another was quicker to take what the call needed. That says nothing about the task, which ends with what did.
        if (!isRefusal(error)) failure = error
      }
    }
    throw failure
  }

  /** Whether there is another call, once it is time for it. */
  async #again(error: unknown): Promise<boolean> {
    const { times, budget, maxWaitMs } = this.#plan
    const { cancellation, clock, worker } = asRun(this.#request)
    if (this.#made >= times || cancellation.aborted || worker.isShuttingDown()) return false
    if (!this.#retryable(error)) return false
    const waitMs = await this.#wait(error)
    if (waitMs === undefined || budget?.withdraw(clock.monotonic()) === false) return false
    this.#tell(error, waitMs)
    if (waitMs > 0 && !(await pause(this.#request, waitMs))) return false
    // As tower does: the next call is made when the inside is ready for it.
    if (this.#inner.capacity?.() !== 0) return true
    return await pause(this.#request, maxWaitMs, async (signal) => this.#inner.ready?.(signal))
  }

  #retryable(error: unknown): boolean {
    if (isAbortError(error) || isRefusal(error)) return false
    if (isRetryAfterError(error) && error.countAttempt === false) return false
    try {
      const { when } = this.#plan
      return when === undefined || atOnce('when', when(error, this.#request))
    } catch (failure) {
      this.#report('retry when', failure)
      return false
    }
  }

  /** How long to wait before the next call; undefined: there is none. */
  async #wait(error: unknown): Promise<number | undefined> {
    if (isDeferredError(error)) return 0
    if (isRetryAfterError(error)) {
      const ms = carriedMs(error.delayMs)
      if (ms !== undefined) return ms <= this.#plan.maxWaitMs ? ms : undefined
    }
    try {
      return await this.#asked(this.#plan.backoff, error)
    } catch (failure) {
      if (asRun(this.#request).cancellation.aborted) throw failure
      this.#report('backoff', failure)
      return await this.#asked(defaultBackoff, error)
    }
  }

  async #asked(backoff: Backoff, error: unknown): Promise<number | undefined> {
    let wait = backoff(this.#made, error, this.#request.task)
    if (isPromise(wait)) {
      const thinking = wait
      // Its end may come when nobody waits for it any more.
      thinking.then(undefined, nothing)
      if (!(await pause(this.#request, DECISION_MS, () => thinking))) {
        if (!this.#request.worker.isShuttingDown()) {
          this.#report('backoff', new TimeoutError('the decision about the next call', DECISION_MS))
        }
        return undefined
      }
      wait = await thinking
    }
    return wait === undefined ? undefined : durationMs('backoff', wait)
  }

  #tell(error: unknown, waitMs: number): void {
    const { id, worker } = this.#request
    const { name, message } = toStoredError(error)
    const data = { taskId: id, calls: this.#made, error: `${name}: ${message}`, waitMs }
    worker.emit({ type: 'custom', name: 'retry', data })
  }

  #report(operation: string, error: unknown): void {
    this.#request.worker.emit({ type: 'error', operation, error })
  }
}

function nothing(): void {}
