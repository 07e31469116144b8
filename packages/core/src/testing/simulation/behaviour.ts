import { AbortError, DeferredError, RetryAfterError } from '../../errors/task-errors.ts'
import type { Random } from './random.ts'

/** What one run of a handler does. */
export type Behaviour =
  /** Returns, at once or after a while. */
  | { readonly type: 'return'; readonly afterMs: number }
  /** Throws, at once or after a while. */
  | { readonly type: 'throw'; readonly afterMs: number; readonly error: () => unknown }
  /** Goes on until its signal aborts, then throws the reason. */
  | { readonly type: 'hang' }
  /** Returns after a while, whatever its signal says. */
  | { readonly type: 'ignore'; readonly afterMs: number }
  /** Keeps the event loop for a while, then returns. */
  | { readonly type: 'block'; readonly afterMs: number }
  /** Returns what cannot be stored. */
  | { readonly type: 'overdo' }
  /** Ends the process. */
  | { readonly type: 'kill' }

/** A task that was run so often does what it should. */
const MOST_TROUBLE = 6

/** What a run does: always the same for the seed, the task and the number of its run. `bounded`: something ends it. */
export function behaviourOf(
  random: Random,
  {
    run,
    poison,
    bounded,
  }: { readonly run: number; readonly poison: boolean; readonly bounded: boolean },
): Behaviour {
  if (poison) return { type: 'kill' }
  if (run > MOST_TROUBLE) return { type: 'return', afterMs: 0 }
  const afterMs = random.chance(0.4) ? 0 : random.between(1, random.chance(0.2) ? 3_000 : 400)
  const type = random.weighted({
    return: 55,
    throw: 25,
    hang: bounded ? 6 : 0,
    ignore: 3,
    block: 2,
    overdo: 1,
  })
  switch (type) {
    case 'throw':
      return { type, afterMs, error: errorOf(random) }
    case 'hang':
    case 'overdo':
      return { type }
    case 'ignore':
      return { type, afterMs: random.between(500, 6_000) }
    case 'block':
      return { type, afterMs: random.between(50, 1_500) }
    default:
      return { type: 'return', afterMs }
  }
}

function errorOf(random: Random): () => unknown {
  const delay = random.between(0, 2_000)
  switch (
    random.weighted({ error: 8, strange: 1, abort: 1, retryAfter: 2, snooze: 3, deferred: 2 })
  ) {
    case 'error':
      return () => new Error('it failed')
    case 'strange':
      return () => undefined
    case 'abort':
      return () => new AbortError('never again')
    case 'retryAfter':
      return () => new RetryAfterError('later', delay)
    case 'snooze':
      return () => new RetryAfterError('not now', delay, { countAttempt: false })
    case 'deferred':
      return () => new DeferredError('once more')
  }
}
