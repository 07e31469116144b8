import {
  type Backend,
  type Beat,
  isCompleted,
  type Settled,
  type Settlement,
  type TaskStream,
} from '../../backend/backend.ts'
import { poll, type PollStrategy } from '../../backend/poll.ts'
import type { Codec } from '../../codec/codec.ts'
import { json } from '../../codec/json.ts'
import { BackendError, isEncodeError } from '../../errors/backend-errors.ts'
import { func, knownKeys, OptionError, show, text } from '../../internal/validate.ts'
import type { Layer } from '../../service/service.ts'
import type { WorkerContext } from '../../service/worker-context.ts'
import type { Backoff } from '../../task/backoff.ts'
import type { Parts, Task } from '../../task/task.ts'
import type { PushOptions } from '../../task/task-builder.ts'
import type { TaskId } from '../../task/task-id.ts'
import { type Clock, systemClock } from '../../time/clock.ts'
import type { BulkOptions, StreamOptions, TaskSink } from '../capabilities.ts'
import { Enrichment } from '../enrichment.ts'
import { Sink } from '../push.ts'
import { checkQueueOptions } from '../queue-options.ts'
import { RowMaker } from '../row-maker.ts'
import { CustomStream } from './custom-stream.ts'
import type { Fetched, FetchRequest } from './fetched.ts'
import { type StoreRows, sinkInserter } from './sink-inserter.ts'

/** What a {@link CustomBackend} is made of. */
export interface CustomBackendOptions<Args, Result, Context, In> {
  /** Events, metrics and errors say it. Text of 1 to 255 bytes. */
  readonly name: string
  /**
   * Brings tasks: at most `limit` is best, what is more waits. One or several, a promise of these, or an async iterable
   * that gives one after the other. `undefined` or none: nothing now; `poll` says when to ask again. `null`: there will
   * never be more, and the worker stops. What it throws is tried again, with ever longer pauses.
   */
  readonly fetch: (request: FetchRequest) => Fetched<Args, Context>
  /** When to ask again after nothing. @default poll.backoff() */
  readonly poll?: PollStrategy
  /** How what is `stored` of a fetched task is read, and how what is pushed is written. @default json() */
  readonly codec?: Codec<In, Args>
  /** Stores what is pushed. Without, nothing can be pushed. */
  readonly sink?: StoreRows
  /**
   * Stores outcomes: acknowledges what is done or killed, gives the rest back. No answer: all are stored. What it throws
   * is tried again. Absent: outcomes are events only, and what was fetched and never started is forgotten.
   */
  readonly settle?: (
    settlements: readonly CustomSettlement<Result, Context>[],
  ) => Promise<readonly Settled[] | void>
  /** Keeps what a worker has: see `Backend.heartbeat`. */
  readonly heartbeat?: (worker: WorkerContext, signal: AbortSignal) => AsyncIterable<Beat>
  /** A layer of its own, outside those of the worker. */
  readonly middleware?: () => Layer
  /** @default systemClock */
  readonly clock?: Clock
  /** How long a failed attempt waits: what `settle` is told. @default exponential('1s') */
  readonly backoff?: Backoff
}

/** How one claim of a {@link CustomBackend} ends. */
export interface CustomSettlement<out Result, out Context> extends Settlement<Result> {
  readonly task: { readonly parts: Parts<Context> }
}

const KNOWN = ['name', 'fetch', 'poll', 'codec', 'sink', 'settle', 'heartbeat', 'middleware']

/**
 * A backend of one's own: from a function that fetches, and, where the source has them, functions that store, settle and
 * keep. `In` is what can be pushed; without a `sink` nothing can. apalis's `CustomBackend` and `BackendBuilder`.
 */
export class CustomBackend<Args, Result = unknown, Context = unknown, in In = never>
  implements Backend<Args, Result, Context>, TaskSink<In>
{
  readonly name: string
  readonly codec: Codec<never, Args>
  readonly clock: Clock
  readonly backoff: Backoff
  /** Present where it was given. */
  readonly settle?: (settlements: readonly Settlement<Result>[]) => Promise<readonly Settled[]>
  /** Present where it was given. */
  readonly heartbeat?: (worker: WorkerContext, signal: AbortSignal) => AsyncIterable<Beat>
  /** Present where it was given. */
  readonly middleware?: () => Layer
  readonly #fetch: (request: FetchRequest) => Fetched<Args, Context>
  readonly #poll: PollStrategy
  readonly #sink: Sink<In>
  /** Those that wait for work, perhaps: what is pushed here wakes them. */
  readonly #streams = new Set<CustomStream<Args, Context>>()

  constructor(options: CustomBackendOptions<Args, Result, Context, In>) {
    knownKeys('CustomBackend', options, [...KNOWN, 'clock', 'backoff'])
    const { name, fetch, settle, heartbeat, middleware, sink, codec, backoff } = options
    const { poll: strategy = poll.backoff(), clock = systemClock } = options
    this.name = text('CustomBackend.name', name)
    this.#fetch = func('CustomBackend.fetch', fetch)
    this.#poll = func('CustomBackend.poll', strategy)
    if (typeof (clock as Partial<Clock> | null)?.setTimer !== 'function') {
      throw new OptionError('CustomBackend.clock', clock, 'a Clock')
    }
    this.clock = clock
    const defaults = checkQueueOptions<In, Args, Result>({
      ...(codec !== undefined && { args: codec }),
      ...(backoff !== undefined && { backoff }),
    })
    this.backoff = defaults.backoff
    // Without a codec what is pushed is JSON, and In and Args are one type, as for a queue.
    const both = defaults.args ?? (json() as unknown as Codec<In, Args>)
    this.codec = both
    if (settle !== undefined) this.settle = settleBy(func('CustomBackend.settle', settle))
    if (heartbeat !== undefined) this.heartbeat = func('CustomBackend.heartbeat', heartbeat)
    if (middleware !== undefined) this.middleware = func('CustomBackend.middleware', middleware)
    if (sink !== undefined) func('CustomBackend.sink', sink)
    const rows = new RowMaker<In>({
      clock,
      codec: both,
      defaults,
      enrichment: new Enrichment(name, []),
    })
    const wake = (): void => {
      for (const stream of this.#streams) stream.wake()
    }
    this.#sink = new Sink(rows, sinkInserter(name, sink, wake))
  }

  /** See `Backend.poll`. */
  poll(worker: WorkerContext): TaskStream<Args, Context> {
    const { clock, codec, settle } = this
    const stream = new CustomStream<Args, Context>({
      fetch: (limit, signal) => this.#fetch({ limit, signal, worker }),
      poller: this.#poll({ worker, clock }),
      codec,
      clock,
      onClose: (closed) => this.#streams.delete(closed),
      release: async (unstarted) => {
        const outcome = { type: 'released', dueIn: 0 } as const
        if (unstarted.length > 0) await settle?.(unstarted.map((task) => ({ task, outcome })))
      },
    })
    this.#streams.add(stream)
    return stream
  }

  /** See `TaskSink`. */
  push(args: In, options?: PushOptions): Promise<TaskId> {
    return this.#sink.push(args, options)
  }

  /** See `TaskSink`. */
  pushBulk(args: readonly In[], options?: BulkOptions): Promise<readonly TaskId[]> {
    return this.#sink.pushBulk(args, options)
  }

  /** See `TaskSink`. */
  pushStream(source: AsyncIterable<In> | Iterable<In>, options?: StreamOptions): Promise<number> {
    return this.#sink.pushStream(source, options)
  }

  /** See `TaskSink`. */
  pushTask(task: Task<In, PushOptions>): Promise<TaskId> {
    return this.#sink.pushTask(task)
  }

  /** See `TaskSink`. */
  pushAll(tasks: readonly Task<In, PushOptions>[]): Promise<readonly TaskId[]> {
    return this.#sink.pushAll(tasks)
  }
}

type Settle<Result, Context> = NonNullable<
  CustomBackendOptions<never, Result, Context, never>['settle']
>

function settleBy<Result, Context>(
  settle: Settle<Result, Context>,
): (settlements: readonly Settlement<Result>[]) => Promise<readonly Settled[]> {
  return async (settlements) => {
    // Its worker has no tasks but those that its stream made.
    const own = settlements as readonly CustomSettlement<Result, Context>[]
    const settled = (await settle(own)) ?? settlements.map(() => 'applied' as const)
    checkSettled(settled, settlements.length)
    return settled
  }
}

/** Typed, but JavaScript answers with anything; taken as it is, it would be told as an outcome that nobody stored. */
function checkSettled(settled: unknown, count: number): void {
  const wrong = (what: string): BackendError =>
    new BackendError('settle', `CustomBackend.settle answered ${what}`, { transient: false })
  if (!Array.isArray(settled)) throw wrong(`${show(settled)}, and no array`)
  if (settled.length !== count) throw wrong(`${settled.length} times to ${count} settlements`)
  const odd = settled.findIndex((one) => !isSettled(one))
  if (odd >= 0) throw wrong(`${show(settled[odd])} to settlement ${odd}, not ${SETTLED.join(', ')}`)
}

const SETTLED: readonly unknown[] = ['applied', 'repeated', 'stale', 'cancelled']

function isSettled(answer: unknown): boolean {
  return SETTLED.includes(answer) || isEncodeError(answer) || isCompleted(answer)
}
