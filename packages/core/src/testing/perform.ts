import type { Outcome } from '../backend/backend.ts'
import type { Codec } from '../codec/codec.ts'
import { knownKeys, OptionError, wholeNumber } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import type { Handler, Layer } from '../service/service.ts'
import { MemoryStore } from '../storage/memory/memory-store.ts'
import { Queue } from '../storage/queue.ts'
import type { QueueOptions } from '../storage/queue-options.ts'
import type { TaskResult } from '../storage/results.ts'
import { Storage } from '../storage/storage.ts'
import type { Claimed } from '../storage/task-store.ts'
import type { QueueContext } from '../task/task.ts'
import type { PushOptions } from '../task/task-builder.ts'
import type { Clock } from '../time/clock.ts'
import { type AnyRunner, buildOf, type Runner, type WorkerBuild } from './runner.ts'
import { TestWorker } from './test-worker.ts'

/** What the run of a {@link perform} may differ in. */
export interface PerformOptions extends Pick<
  PushOptions,
  'id' | 'attempts' | 'timeout' | 'metadata'
> {
  /** Which run of the task it is. @default 1 */
  readonly attempt?: number
  /** Its abort interrupts the run, as the deadline of a shutdown does. */
  readonly signal?: AbortSignal
  /** What timeouts are measured by. @default the queue's, or the system's where there is none */
  readonly clock?: Clock
}

/** By what rules the task runs: those of a queue, which is not touched, or of one with these options. */
export type PerformQueue<In, Args, Accepted> =
  | Queue<In, Args, Accepted>
  | (QueueOptions<In, Args, Accepted> & { readonly args: Codec<In, Args> })

// What is absent is said to be undefined, so that a call with it is not taken for another kind.
interface NoQueue {
  readonly queue?: undefined
}
interface NoData {
  readonly data?: undefined
}

/**
 * Runs one task as a worker would, without storing anything in a queue: the arguments are encoded and decoded, the layers
 * and the handler run, and what comes out settles. Answers with the outcome: `done` with the result, read back through
 * the queue's codec for results where it has one; `failed` with the error and `retryIn`; `killed` with the error;
 * `released` with `dueIn`. A throwing handler is an outcome; it rejects with an `EncodeError` for arguments that could
 * not be pushed, with a `DecodeError` for a result that cannot be read, and with an `OptionError`. One that never ends is
 * waited for: give such a handler a `timeout`.
 *
 * `perform(sendEmail, { to: 'ada@example.com' }, { queue: emails, data: { smtp } })`, or with layers
 * `perform({ build: (worker) => worker.data({ smtp }).build(sendEmail) }, args, { queue: emails })`.
 */
export function perform<In, Args, Accepted, Output extends Accepted>(
  run: Runner<Args, Accepted, Output>,
  args: In,
  options: PerformOptions & NoData & { readonly queue: PerformQueue<In, Args, Accepted> },
): Promise<Outcome<Output>>
export function perform<Args, Output>(
  run: Runner<Args, unknown, Output>,
  args: Args,
  options?: PerformOptions & NoData & NoQueue,
): Promise<Outcome<Output>>
export function perform<Args, Output, Data extends object>(
  run: Handler<Args, Data, Output, QueueContext>,
  args: Args,
  options: PerformOptions & NoQueue & { readonly data: Data },
): Promise<Outcome<Output>>
// The last overload is the one that a compile error is about.
export function perform<In, Args, Accepted, Output extends Accepted, Data extends object>(
  run: Handler<Args, Data, Output, QueueContext>,
  args: In,
  options: PerformOptions & {
    readonly data: Data
    readonly queue: PerformQueue<In, Args, Accepted>
  },
): Promise<Outcome<Output>>
export async function perform<In, Args, Accepted, Output extends Accepted>(
  run: AnyRunner<Args, Accepted, Output>,
  args: In,
  options: PerformOptions & {
    readonly data?: object | undefined
    readonly queue?: PerformQueue<In, Args, Accepted> | undefined
  } = {},
): Promise<Outcome<Output>> {
  knownKeys('perform', options, OPTIONS)
  const { queue: like, data, attempt = 1, clock = clockOf(like), signal, ...push } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new OptionError('signal', signal, 'an AbortSignal')
  }
  const build = buildOf<Args, Accepted, Output>(run, data)
  const store = new AttemptStore(wholeNumber('attempt', attempt, { min: 1 }), clock)
  const storage = new Storage(store, clock && { clock })
  try {
    const queue = queueOf(storage, like)
    const id = await queue.push(args, push)
    const [row] = await store.get(queue.name, [id])
    wholeNumber('attempt', attempt, { min: 1, max: row?.attempts ?? attempt })
    const outcome = await outcomeOf(queue, build, signal)
    const [read] = await queue.checkStatus([id])
    return outcome.type === 'done'
      ? { type: 'done', result: resultOf(outcome.result, read) }
      : outcome
  } finally {
    await storage.close()
  }
}

const OPTIONS: readonly string[] = [
  'queue',
  'data',
  'id',
  'attempt',
  'attempts',
  'timeout',
  'metadata',
  'signal',
  'clock',
]

/** A store whose claims are all of one attempt. */
class AttemptStore extends MemoryStore {
  readonly #attempt: number

  constructor(attempt: number, clock: Clock | undefined) {
    super(clock && { clock })
    this.#attempt = attempt
  }

  override async claim(...args: Parameters<MemoryStore['claim']>): Promise<Claimed> {
    return this.#counted(await super.claim(...args))
  }

  override async exchange(
    ...args: Parameters<MemoryStore['exchange']>
  ): ReturnType<MemoryStore['exchange']> {
    const { settled, claimed } = await super.exchange(...args)
    return { settled, claimed: this.#counted(claimed) }
  }

  #counted({ rows, ...others }: Claimed): Claimed {
    return { ...others, rows: rows.map((row) => ({ ...row, attempt: this.#attempt })) }
  }
}

function clockOf(like: object | undefined): Clock | undefined {
  return like instanceof Queue ? like.clock : undefined
}

function queueOf<In, Args, Accepted>(
  storage: Storage,
  like: PerformQueue<In, Args, Accepted> | undefined,
): Queue<In, Args, Accepted> {
  // Without a queue In and Args are one type: see the overloads.
  if (like === undefined)
    return storage.queue<In, Accepted>('perform') as Queue<In, never, Accepted>
  if (typeof like !== 'object' || like === null) {
    throw new OptionError('queue', like, 'a queue, or the options of one')
  }
  if (typeof like !== 'object' || like === null) {
    throw new OptionError('queue', like, 'a queue, or the options of one')
  }
  return like instanceof Queue ? storage.mirror(like) : storage.queue('perform', like)
}

/** How the one task of a queue ends. */
async function outcomeOf<Args, Accepted, Output extends Accepted>(
  queue: Queue<never, Args, Accepted>,
  build: WorkerBuild<Args, Accepted, Output>,
  signal: AbortSignal | undefined,
): Promise<Outcome<Output>> {
  const settled = Promise.withResolvers<Outcome<Output>>()
  const worker = new TestWorker(queue, (builder) => {
    // What settles is what this worker's handler gave.
    const told = builder.ackWith((outcome) => settled.resolve(outcome as Outcome<Output>))
    return build(signal === undefined ? told : told.layer(interruptible(signal, interrupt)))
  })
  function interrupt(): void {
    worker.abort()
  }
  try {
    const end = await worker.executeNext()
    if (end === undefined) throw new Error('the worker stopped before it ran the task')
    if (end.outcome === 'lost') throw new Error('the worker lost the task while it ran')
    return await settled.promise
  } finally {
    signal?.removeEventListener('abort', interrupt)
    await worker.stop()
  }
}

/** Calls back when `signal` aborts while a task runs, or has before. */
function interruptible(signal: AbortSignal, interrupt: () => void): Layer {
  return (inner) =>
    around(inner, (request) => {
      if (signal.aborted) interrupt()
      else signal.addEventListener('abort', interrupt, { once: true })
      return inner.call(request)
    })
}

/** What was stored of a result, or the result itself where nothing was. */
function resultOf<Result>(given: Result, read: TaskResult | undefined): Result {
  if (read?.error !== undefined) throw read.error
  // The codec gives back what it was given.
  return read !== undefined && 'result' in read ? (read.result as Result) : given
}
