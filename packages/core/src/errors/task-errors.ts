import { ApalisError, hasCode } from '../internal/apalis-error.ts'
import { anObject, instant, knownKeys, OptionError } from '../internal/validate.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { toStoredError } from './stored-error.ts'

/** Never again: the task is killed, whatever attempts are left. apalis's `AbortError`. */
export class AbortError extends ApalisError {
  /** `reason`: a message, or the error that made it hopeless. */
  constructor(reason: unknown) {
    super('ERR_TASK_ABORT', ...messageAndCause(reason))
  }
}

/** Again after a delay of the handler's choice instead of the queue's backoff. apalis's `RetryAfterError`. */
export class RetryAfterError extends ApalisError {
  readonly delayMs: number
  /** False makes it a snooze: the run is not counted as an attempt. */
  readonly countAttempt: boolean

  constructor(reason: unknown, delay: Duration, options: { readonly countAttempt?: boolean } = {}) {
    super('ERR_TASK_RETRY_AFTER', ...messageAndCause(reason))
    knownKeys('RetryAfterError', options, ['countAttempt'])
    const { countAttempt = true } = options
    if (typeof countAttempt !== 'boolean') {
      throw new OptionError('RetryAfterError.countAttempt', countAttempt, 'true or false')
    }
    this.delayMs = durationMs('RetryAfterError delay', delay)
    this.countAttempt = countAttempt
  }
}

/** Again at once, without backoff; counts as an attempt. apalis's `DeferredError`. */
export class DeferredError extends ApalisError {
  constructor(reason: unknown) {
    super('ERR_TASK_DEFERRED', ...messageAndCause(reason))
  }
}

/** A run, or the part of it inside a `timeout` layer, took longer than allowed. Retried like any error. */
export class TimeoutError extends ApalisError {
  readonly timeoutMs: number

  constructor(what: string, timeoutMs: number) {
    super('ERR_TASK_TIMEOUT', `${what} took longer than ${timeoutMs} ms`)
    this.timeoutMs = timeoutMs
  }
}

/** The worker's shutdown deadline passed while the task ran: the reason of its signal. The task is released, no attempt used. */
export class InterruptedError extends ApalisError {
  constructor() {
    super('ERR_TASK_INTERRUPTED', 'interrupted by the shutdown of the worker')
  }
}

/** The task was killed: the reason of a running handler's signal, and what waiting for its result throws. */
export class TaskKilledError extends ApalisError {
  readonly taskId: string

  constructor(id: string, options?: ErrorOptions) {
    super('ERR_TASK_KILLED', `task ${id} was killed`, options)
    this.taskId = id
  }
}

/** The worker can no longer be sure that it holds its tasks: the reason of their signals. Nothing more is written for them. */
export class LeaseLostError extends ApalisError {
  constructor(worker: string) {
    super('ERR_LEASE_LOST', `worker incarnation ${worker} has lost its lease`)
  }
}

/** Killed because the process that ran it alone died again and again. */
export class PoisonError extends ApalisError {
  constructor(rescues: number) {
    super('ERR_TASK_POISON', `the worker that ran it died ${rescues} times`)
  }
}

/** Why, and until when, a limit refused a call. */
export interface RefusalOptions extends ErrorOptions {
  /** After how long it is worth asking again. */
  readonly retryIn?: Duration
  /** When it is worth asking again; `retryIn` goes before it. */
  readonly retryAt?: Date
}

/** What the three refusals have in common. */
class Refusal extends ApalisError {
  readonly retryInMs: number | undefined
  readonly retryAt: Date | undefined

  constructor(code: string, message: string, given: RefusalOptions) {
    const { retryIn, retryAt, ...options } = anObject('refusal', given)
    super(code, message, options)
    this.retryInMs = retryIn === undefined ? undefined : durationMs('retryIn', retryIn)
    this.retryAt = retryAt === undefined ? undefined : instant('retryAt', retryAt)
  }
}

/** A layer or backend that could have waited chose to refuse. Before the handler began: released, no attempt used. */
export class OverloadedError extends Refusal {
  constructor(message = 'overloaded', options: RefusalOptions = {}) {
    super('ERR_OVERLOADED', message, options)
  }
}

/** A rate limit refused the call. Before the handler began: released, no attempt used. */
export class RateLimitedError extends Refusal {
  constructor(message = 'rate limited', options: RefusalOptions = {}) {
    super('ERR_RATE_LIMITED', message, options)
  }
}

/** A circuit breaker is open. Before the handler began: released, no attempt used. */
export class CircuitOpenError extends Refusal {
  constructor(message = 'circuit breaker is open', options: RefusalOptions = {}) {
    super('ERR_CIRCUIT_OPEN', message, options)
  }
}

/** A layer broke its contract: it called `next` twice, or ended without it. */
export class LayerError extends ApalisError {
  constructor(message: string) {
    super('ERR_LAYER', message)
  }
}

/** Whether `error` is an {@link AbortError}; the platform's own error of that name is not. */
export function isAbortError(error: unknown): error is AbortError {
  return hasCode(error, 'ERR_TASK_ABORT')
}

/** Whether `error` is a {@link RetryAfterError}. */
export function isRetryAfterError(error: unknown): error is RetryAfterError {
  return hasCode(error, 'ERR_TASK_RETRY_AFTER')
}

/** Whether `error` is a {@link DeferredError}. */
export function isDeferredError(error: unknown): error is DeferredError {
  return hasCode(error, 'ERR_TASK_DEFERRED')
}

/** Whether `error` is a {@link TimeoutError}. */
export function isTimeoutError(error: unknown): error is TimeoutError {
  return hasCode(error, 'ERR_TASK_TIMEOUT')
}

/** Whether `error` is an {@link InterruptedError}. */
export function isInterruptedError(error: unknown): error is InterruptedError {
  return hasCode(error, 'ERR_TASK_INTERRUPTED')
}

/** Whether `error` is a {@link TaskKilledError}. */
export function isTaskKilledError(error: unknown): error is TaskKilledError {
  return hasCode(error, 'ERR_TASK_KILLED')
}

/** Whether `error` is a {@link LeaseLostError}. */
export function isLeaseLostError(error: unknown): error is LeaseLostError {
  return hasCode(error, 'ERR_LEASE_LOST')
}

/** Whether `error` is a refusal: {@link OverloadedError}, {@link RateLimitedError} or {@link CircuitOpenError}. */
export function isRefusal(
  error: unknown,
): error is OverloadedError | RateLimitedError | CircuitOpenError {
  return (
    hasCode(error, 'ERR_OVERLOADED') ||
    hasCode(error, 'ERR_RATE_LIMITED') ||
    hasCode(error, 'ERR_CIRCUIT_OPEN')
  )
}

function messageAndCause(reason: unknown): [string, ErrorOptions] {
  if (typeof reason === 'string') return [reason, {}]
  return [toStoredError(reason).message, { cause: reason }]
}
