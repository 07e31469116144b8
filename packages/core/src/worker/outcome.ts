import type { Outcome } from '../backend/backend.ts'
import {
  isAbortError,
  isDeferredError,
  isInterruptedError,
  isRefusal,
  isRetryAfterError,
} from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { type Backoff, exponential } from '../task/backoff.ts'
import type { Parts, QueueContext, Task } from '../task/task.ts'
import { type Clock, random } from '../time/clock.ts'
import { carriedMs, durationMs } from '../time/duration.ts'

/** What a task that was sent back without using an attempt waits at least. */
const LEAST_RELEASE_MS = 100
/** What a refused task waits when the refusal does not say. */
const REFUSAL_MS = 1_000

/** What decides how a failed run settles, beside its error. */
export interface FailureRules {
  readonly backoff: Backoff
  readonly maxReleases: number
  /** Told of a backoff function that failed; the default one is used instead. */
  readonly onBackoffError: (error: unknown) => void
  readonly clock: Clock
  /** Rejects when a promise of the user's takes too long. */
  readonly inTime: <Value>(promise: Promise<Value>) => Promise<Value>
}

/** A run that threw. */
export interface FailedRun {
  readonly task: Task<unknown>
  readonly error: unknown
  /** Whether the handler had begun. */
  readonly began: boolean
  /** Why the run was aborted, if it was. */
  readonly reason: unknown
}

const fallbackBackoff = exponential('1s', { jitter: 0 })

/** How a run that threw settles: the outcome table. */
export function failureOutcome(
  run: FailedRun,
  rules: FailureRules,
): Outcome<never> | Promise<Outcome<never>> {
  const { error, task } = run
  if (isInterruptedError(run.reason)) return { type: 'released', dueIn: 0 }
  if (isAbortError(error)) return { type: 'killed', error }
  if (isRetryAfterError(error)) {
    const delayMs = carriedMs(error.delayMs)
    // Told by its code it may be anybody's: what it lacks is not made up.
    if (delayMs === undefined) return afterBackoff(run, rules)
    return error.countAttempt === false
      ? releaseOrFail(run, delayMs, rules)
      : retryOrKill(task.parts, error, delayMs)
  }
  if (isDeferredError(error)) return retryOrKill(task.parts, error, 0)
  if (isRefusal(error)) {
    const wait = carriedMs(error.retryInMs) ?? untilMs(error.retryAt, rules)
    if (!run.began) return releaseOrFail(run, wait ?? jittered(REFUSAL_MS, rules.clock), rules)
    if (wait !== undefined) return retryOrKill(task.parts, error, wait)
  }
  return afterBackoff(run, rules)
}

function untilMs(at: unknown, rules: FailureRules): number | undefined {
  if (!(at instanceof Date)) return undefined
  return carriedMs(Math.max(0, at.getTime() - rules.clock.now()))
}

function jittered(ms: number, clock: Clock): number {
  return Math.round(ms * (0.5 + random(clock)))
}

function retryOrKill(parts: Parts, error: unknown, retryIn: number): Outcome<never> {
  return parts.attempt.current >= parts.attempt.max
    ? { type: 'killed', error }
    : { type: 'failed', error, retryIn }
}

function releaseOrFail(
  run: FailedRun,
  dueIn: number,
  rules: FailureRules,
): Outcome<never> | Promise<Outcome<never>> {
  // Only queues count releases; elsewhere nothing bounds them but the wait.
  const { releases = 0 } = (run.task.parts.context ?? {}) as Partial<QueueContext>
  if (releases >= rules.maxReleases) return afterBackoff(run, rules)
  return { type: 'released', dueIn: Math.max(LEAST_RELEASE_MS, dueIn), error: run.error }
}

function afterBackoff(
  run: FailedRun,
  rules: FailureRules,
): Outcome<never> | Promise<Outcome<never>> {
  const { error, task } = run
  const { attempt } = task.parts
  if (attempt.current >= attempt.max) return { type: 'killed', error }
  const settle = (delay: unknown): Outcome<never> =>
    delay === undefined
      ? { type: 'killed', error }
      : { type: 'failed', error, retryIn: durationMs('backoff', delay) }
  const fallback = (failure: unknown): Outcome<never> => {
    rules.onBackoffError(failure)
    const longest = durationMs('backoff', fallbackBackoff(attempt.current, error, task))
    return settle(Math.round(longest * random(rules.clock)))
  }
  try {
    const delay = rules.backoff(attempt.current, error, task)
    if (!isPromise(delay)) return settle(delay)
    return rules.inTime(Promise.resolve(delay)).then(settle).catch(fallback)
  } catch (failure) {
    return fallback(failure)
  }
}
