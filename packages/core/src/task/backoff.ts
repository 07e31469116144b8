import { finiteNumber, knownKeys } from '../internal/validate.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import type { Task } from './task.ts'

/**
 * How long a task waits before its next attempt. `attempt` is the one that failed, 1 for the first.
 * `undefined` means no more attempts: the task is killed.
 */
export type Backoff = (
  attempt: number,
  error: unknown,
  task: Task<unknown>,
) => Duration | undefined | Promise<Duration | undefined>

/** Options of {@link linear} and {@link exponential}. */
export interface BackoffOptions {
  /** No wait is longer. @default '1h' */
  readonly max?: Duration
  /** The share of a wait that is random: 0 none of it, 1 all of it. @default 1 for exponential, 0 for linear */
  readonly jitter?: number
}

/** The same wait every time. */
export function constant(delay: Duration): Backoff {
  const ms = durationMs('constant delay', delay)
  return () => ms
}

/** `step`, twice `step`, three times `step`, … */
export function linear(step: Duration, options: BackoffOptions = {}): Backoff {
  knownKeys('linear', options, ['max', 'jitter'])
  const { max = '1h', jitter = 0 } = options
  const stepMs = durationMs('linear step', step)
  const wait = jittered('linear', max, jitter)
  return (attempt) => wait(stepMs * attempt)
}

/** `base`, twice `base`, four times `base`, …: each time a random share of it unless `jitter` says otherwise. */
export function exponential(
  base: Duration = '1s',
  options: BackoffOptions & {
    /** What a wait is multiplied by for the next. @default 2 */
    readonly factor?: number
  } = {},
): Backoff {
  knownKeys('exponential', options, ['max', 'jitter', 'factor'])
  const { max = '1h', jitter = 1, factor = 2 } = options
  const baseMs = durationMs('exponential base', base)
  finiteNumber('exponential factor', factor, { min: 1, max: 100 })
  const wait = jittered('exponential', max, jitter)
  // Bounded, because nothing times infinity is no number.
  return (attempt) => wait(baseMs * Math.min(factor ** (attempt - 1), Number.MAX_SAFE_INTEGER))
}

function jittered(name: string, max: Duration, jitter: number): (ms: number) => number {
  const maxMs = durationMs(`${name} max`, max)
  finiteNumber(`${name} jitter`, jitter, { min: 0, max: 1 })
  return (ms) => {
    const capped = Math.min(ms, maxMs)
    return Math.round(capped - capped * jitter * Math.random())
  }
}
