import { knownKeys, finiteNumber, func, OptionError } from '../internal/validate.ts'
import { untilAborted } from '../internal/until-aborted.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import { type Clock, random, sleep } from '../time/clock.ts'
import { type Duration, durationMs } from '../time/duration.ts'

/** Whom a poll strategy works for. */
export interface PollContext {
  readonly worker: WorkerContext
  readonly clock: Clock
}

/** Says when to look again. */
export interface Poller {
  /** Settles when it is time, or when `signal` aborts. `found`: how many tasks came since the last wait. */
  wait(found: number, signal: AbortSignal): Promise<void>
  /** The worker is done with it. */
  close?(): void
}

/**
 * When to look again at a source that gives no sign of new work. It makes a poller for each worker incarnation, so that
 * workers share nothing in it, and one that is started again begins anew. apalis's `PollStrategy`.
 */
export type PollStrategy = (context: PollContext) => Poller

/** How {@link poll.backoff} waits. */
export interface PollBackoffOptions {
  /** The first wait, and the one after tasks were found. @default '100ms' */
  readonly initial?: Duration
  /** The longest wait. @default '60s' */
  readonly max?: Duration
  /** How much longer each wait is that follows one in vain; at least 1. @default 2 */
  readonly factor?: number
  /** By which part of it a wait is longer or shorter, at random; from 0 to 1. @default 0.1 */
  readonly jitter?: number
}

/** Always after the same time. apalis's `IntervalStrategy`. */
function interval(every: Duration): PollStrategy {
  const ms = durationMs('poll.interval', every, { min: 1 })
  return ({ clock }) => ({ wait: (_found, signal) => sleep(clock, ms, { signal }) })
}

/** After ever longer times while nothing is found. apalis's `BackoffStrategy`. */
function backoff(options: PollBackoffOptions = {}): PollStrategy {
  knownKeys('poll.backoff', options, ['initial', 'max', 'factor', 'jitter'])
  const { initial = '100ms', max = '60s', factor = 2, jitter = 0.1 } = options
  const initialMs = durationMs('poll.backoff.initial', initial, { min: 1 })
  const maxMs = durationMs('poll.backoff.max', max, { min: 1 })
  if (maxMs < initialMs) throw new OptionError('poll.backoff.max', max, 'at least `initial`')
  finiteNumber('poll.backoff.factor', factor, { min: 1 })
  finiteNumber('poll.backoff.jitter', jitter, { min: 0, max: 1 })
  return ({ clock }) => {
    let nextMs = initialMs
    return {
      wait(found, signal) {
        const ms = found > 0 ? initialMs : nextMs
        nextMs = Math.min(maxMs, ms * factor)
        return sleep(clock, ms * (1 + jitter * (2 * random(clock) - 1)), { signal })
      },
    }
  }
}

/**
 * When a stream gives an item, whatever that is; each worker incarnation asks for a stream of its own. Items that come
 * while nobody waits are one. When it ends, it gives no more; when it fails, the next wait asks for another. apalis's
 * `StreamStrategy`.
 */
function stream(ticks: (context: PollContext) => AsyncIterable<unknown>): PollStrategy {
  func('poll.stream', ticks)
  return (context) => {
    let iterator: AsyncIterator<unknown> | undefined
    let next: Promise<IteratorResult<unknown>> | undefined
    const ask = async (): Promise<IteratorResult<unknown>> => {
      iterator ??= iteratorOf(ticks(context))
      return iterator.next()
    }
    return {
      async wait(_found, signal) {
        // One that an earlier wait did not live to see is for this one.
        next ??= ask()
        const asked = next
        const tick = await untilAborted(asked, signal).catch((error: unknown) => {
          next = undefined
          iterator = undefined
          throw error
        })
        if (tick === undefined) return
        // After the end the same answer stands for ever.
        if (tick.done === true) await untilAborted(new Promise<never>(() => {}), signal)
        else next = undefined
      },
      close() {
        // It may wait for an item that never comes, and nobody waits for that.
        void iterator?.return?.().then(undefined, () => undefined)
      },
    }
  }
}

function iteratorOf(ticks: AsyncIterable<unknown>): AsyncIterator<unknown> {
  // Typed as iterable, but JavaScript passes anything.
  const given: Partial<AsyncIterable<unknown>> | null | undefined = ticks
  const iterator = given?.[Symbol.asyncIterator]?.()
  if (iterator !== undefined) return iterator
  throw new OptionError('poll.stream', ticks, 'a function that gives an async iterable')
}

/** When a promise settles that is made for each wait. apalis's `FutureStrategy`. */
function future(
  until: (
    context: PollContext & { readonly found: number; readonly signal: AbortSignal },
  ) => unknown,
): PollStrategy {
  func('poll.future', until)
  return (context) => ({
    async wait(found, signal) {
      const due = (async () => until({ ...context, found, signal }))()
      await untilAborted(due, signal)
    },
  })
}

/** When the first of several says so; the others wait anew with the next. apalis's `MultiStrategy`, without what clones share. */
function race(...strategies: readonly PollStrategy[]): PollStrategy {
  if (strategies.length === 0)
    throw new OptionError('poll.race', strategies, 'at least one strategy')
  for (const strategy of strategies) func('poll.race', strategy)
  return (context) => {
    const pollers = strategies.map((strategy) => strategy(context))
    return {
      async wait(found, signal) {
        const over = new AbortController()
        const either = AbortSignal.any([signal, over.signal])
        try {
          await Promise.race(pollers.map((poller) => poller.wait(found, either)))
        } finally {
          over.abort()
        }
      },
      close() {
        for (const poller of pollers) poller.close?.()
      },
    }
  }
}

/** Poll strategies. A queue needs none: it is woken. */
export const poll: {
  readonly interval: typeof interval
  readonly backoff: typeof backoff
  readonly stream: typeof stream
  readonly future: typeof future
  readonly race: typeof race
} = { interval, backoff, stream, future, race }
