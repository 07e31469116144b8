import type { Backend } from '../backend/backend.ts'
import { knownKeys, OptionError, wholeNumber } from '../internal/validate.ts'
import type { Handler } from '../service/service.ts'
import type { ListTasks, Metrics } from '../storage/capabilities.ts'
import type { QueueContext } from '../task/task.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import type { Drained } from './drained.ts'
import { Draining, type Lane } from './draining.ts'
import { type AnyRunner, buildOf, type Runner } from './runner.ts'
import { TestClock } from './test-clock.ts'
import { TestWorker } from './test-worker.ts'

/** A queue, as far as draining needs one: that of every storage. */
export interface DrainableQueue<out Args, in Accepted>
  extends Backend<Args, Accepted, QueueContext>, ListTasks<Args, QueueContext>, Metrics {}

/** How to drain. */
export interface DrainOptions {
  /**
   * Also runs what becomes due within this long, retries and delayed tasks, by moving the `TestClock` of the queue to each
   * such moment and no further. @default the clock stands still
   */
  readonly advance?: Duration
  /** The most runs there may be. @default 10_000 */
  readonly limit?: number
  /** How long it may take, in real time. @default '10s' */
  readonly within?: Duration
}

/** What runs the tasks of a queue of this type. */
export type RunnerOf<Source> =
  Source extends DrainableQueue<infer Args, infer Accepted>
    ? Runner<Args, Accepted, Accepted>
    : never

/** What a queue of this type takes as a result. */
export type AcceptedBy<Source> =
  Source extends DrainableQueue<infer _Args, infer Accepted> ? Accepted : never

// What is absent is said to be undefined, so that a call with it is not taken for another kind.
interface NoData {
  readonly data?: undefined
}

/**
 * Runs everything that is due, in order and one after the other, until nothing is: what handlers push meanwhile included.
 * Answers with what ran. `drain(emails, sendEmail)`, `drain(emails, sendEmail, { data: { smtp } })`, or with layers
 * `drain(emails, { build: (worker) => worker.data({ smtp }).build(sendEmail) })`. Several queues:
 * `drain([[orders, placeOrder], [emails, { build }]])`; one is emptied after the other, in turns, until all are empty.
 *
 * The workers are real, made for this call, and stopped at its end. What a handler throws is the end of its run. Rejects
 * with a `DrainError` that names what remains: when tasks are due that do not run, a queue being paused for example; when
 * more are due after `limit` runs; and when it is not over `within` that time, a handler that still runs being
 * interrupted. Rejects also with the `WorkerError` of a worker that failed, and with a `BackendError` where the storage
 * cannot be looked at.
 */
export function drain<const Sources extends readonly DrainableQueue<unknown, never>[]>(
  queues: {
    readonly [Index in keyof Sources]: readonly [Sources[Index], RunnerOf<Sources[Index]>]
  },
  options?: DrainOptions,
): Promise<Drained<AcceptedBy<Sources[number]>>>
export function drain<Args, Accepted, Output extends Accepted>(
  queue: DrainableQueue<Args, Accepted>,
  run: Runner<Args, Accepted, Output>,
  options?: DrainOptions & NoData,
): Promise<Drained<Output>>
// The last overload is the one that a compile error is about.
export function drain<Args, Accepted, Output extends Accepted, Data extends object>(
  queue: DrainableQueue<Args, Accepted>,
  run: Handler<Args, Data, Output, QueueContext>,
  options: DrainOptions & { readonly data: Data },
): Promise<Drained<Output>>
export async function drain(
  first: AnyQueue | readonly Pair[],
  second?: DrainOptions | AnyRunner<unknown, unknown, unknown>,
  third: DrainOptions & { readonly data?: object | undefined } = {},
): Promise<Drained<never>> {
  const several = Array.isArray(first)
  // Which of the overloads it is.
  const pairs = (several ? first : [[first, second]]) as readonly Pair[]
  const options = (several ? (second ?? {}) : third) as typeof third
  knownKeys('drain', options, ['advance', 'limit', 'within', ...(several ? [] : ['data'])])
  const { data, limit = 10_000, within = '10s', advance } = options
  if (pairs.length === 0) throw new OptionError('queues', pairs, 'at least one queue')
  const lanes = pairs.map((pair) => laneOf(pair, data))
  const draining = new Draining(lanes, {
    limit: wholeNumber('drain.limit', limit, { min: 1 }),
    withinMs: durationMs('drain.within', within, { min: 1 }),
    ...(advance !== undefined && {
      clock: sharedClock(lanes, advance),
      advanceMs: durationMs('drain.advance', advance),
    }),
  })
  // The signature says what the handlers give.
  return (await draining.run()) as Drained<never>
}

type AnyQueue = DrainableQueue<unknown, unknown>
type Pair = readonly [AnyQueue, AnyRunner<unknown, unknown, unknown>]

function laneOf(pair: Pair, data: object | undefined): Lane {
  if (!Array.isArray(pair))
    throw new OptionError('queues', pair, 'pairs of a queue and what runs it')
  const [queue, run] = pair
  for (const method of ['poll', 'listTasks', 'metrics'] as const) {
    if (typeof queue?.[method] === 'function') continue
    throw new OptionError('queue', queue, `a queue, that is an object with a ${method} method`)
  }
  return { queue, worker: new TestWorker(queue, buildOf<unknown, unknown, unknown>(run, data)) }
}

/** The one clock of all queues. */
function sharedClock(lanes: readonly Lane[], advance: Duration): TestClock {
  const [clock, ...others] = new Set(lanes.map(({ queue }) => queue.clock))
  if (clock instanceof TestClock && others.length === 0) return clock
  throw new OptionError(
    'drain.advance',
    advance,
    'none where the queues do not share one TestClock',
  )
}
