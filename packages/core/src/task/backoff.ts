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

/** How many waits back the next one still depends on the first, as far as anybody could tell. */
const LONGEST_CHAIN = 64

/**
 * Random, from `base` to three times the wait before, which was random itself: many that failed together drift apart
 * faster than with {@link exponential}.
 */
export function decorrelated(
  base: Duration = '1s',
  options: Pick<BackoffOptions, 'max'> = {},
): Backoff {
  knownKeys('decorrelated', options, ['max'])
  const baseMs = durationMs('decorrelated base', base)
  const maxMs = durationMs('decorrelated max', options.max ?? '1h')
  return (attempt) => {
    // The waits before are not known here, and with other ones of the same kind this one is of the same kind.
    let wait = baseMs
    for (let step = 0; step < Math.min(attempt, LONGEST_CHAIN); step += 1) {
      wait = Math.min(maxMs, baseMs + Math.random() * (wait * 3 - baseMs))
    }
    return Math.round(wait)
  }
}

function jittered(name: string, max: Duration, jitter: number): (ms: number) => number {
  const maxMs = durationMs(`${name} max`, max)
  finiteNumber(`${name} jitter`, jitter, { min: 0, max: 1 })
  return (ms) => {
    const capped = Math.min(ms, maxMs)
    return Math.round(capped - capped * jitter * Math.random())
  }
}
