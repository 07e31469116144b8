import type {
  Backend,
  Beat,
  Settled,
  Settlement,
  TaskStream,
  Undecodable,
} from '../../backend/backend.ts'
import type { Codec } from '../../codec/codec.ts'
import type { Layer } from '../../service/service.ts'
import type { WorkerContext } from '../../service/worker-context.ts'
import type { Backoff } from '../../task/backoff.ts'
import type { Parts, QueueContext, Task } from '../../task/task.ts'
import { type Clock, systemClock, type Timer } from '../../time/clock.ts'
import type { CheckedPipe } from './pipe-options.ts'
import type { PipeTarget } from './pipe.ts'
import { Pump } from './pump.ts'
import { type Opener, Source } from './source.ts'

type Claimed<Args> = Task<Args, QueueContext> | Undecodable<QueueContext>

/** How often a queue is asked whether its last task has ended, while nothing here says so. */
const LOOK_EVERY_MS = 1_000

/**
 * A queue that a source is led into: see `pipe`. Its workers are those of the queue, and what else is pushed to that
 * they run as well. The source is read from the start of the first worker to the stop of the last one; then it is ended,
 * and what it has given is in the queue.
 */
export class PipedBackend<in out Item, out Args, in Result = unknown> implements Backend<
  Args,
  Result,
  QueueContext
> {
  readonly name: string
  readonly clock: Clock
  readonly codec?: Codec<never, Args>
  readonly backoff?: Backoff
  readonly maxReleases?: number
  readonly heartbeat?: (worker: WorkerContext, signal: AbortSignal) => AsyncIterable<Beat>
  readonly settle?: (settlements: readonly Settlement<Result>[]) => Promise<readonly Settled[]>
  readonly middleware?: () => Layer
  readonly #queue: PipeTarget<Item, Args, Result>
  readonly #options: CheckedPipe<Item>
  readonly #opener: Opener<Item>
  /** Those of the workers that run. */
  readonly #streams = new Map<TaskStream<Args, QueueContext>, WorkerContext>()
  #pump: Pump<Item> | undefined
  /** All that came is done. */
  #drained = false
  #looking: Timer | undefined
  #onChange = new Set<() => void>()

  constructor(
    opener: Opener<Item>,
    queue: PipeTarget<Item, Args, Result>,
    options: CheckedPipe<Item>,
  ) {
    const { name, clock = systemClock, codec, backoff, maxReleases } = queue
    this.#opener = opener
    this.#queue = queue
    this.#options = options
    this.name = name
    this.clock = clock
    if (codec !== undefined) this.codec = codec
    if (backoff !== undefined) this.backoff = backoff
    if (maxReleases !== undefined) this.maxReleases = maxReleases
    if (queue.heartbeat !== undefined) {
      this.heartbeat = (worker, signal) => queue.heartbeat?.(worker, signal) ?? noBeats
    }
    if (queue.settle !== undefined) this.settle = (settlements) => this.#settle(settlements)
    if (queue.middleware !== undefined) this.middleware = queue.middleware.bind(queue)
  }

  /** See `Backend.poll`. */
  poll(worker: WorkerContext): TaskStream<Args, QueueContext> {
    const tasks = this.#queue.poll(worker)
    const stream = {
      next: (limit: number, signal: AbortSignal) => this.#next(tasks, limit, signal),
      close: (unstarted: readonly { readonly parts: Parts }[]) =>
        this.#close(stream, tasks, unstarted),
    }
    this.#streams.set(stream, worker)
    this.#pump ??= new Pump({
      source: new Source(this.#opener),
      queue: this.#queue,
      clock: this.clock,
      options: this.#options,
      worker: () => this.#streams.values().next().value,
      onEnd: () => this.#look(),
    })
    return stream
  }

  async #next(
    tasks: TaskStream<Args, QueueContext>,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly Claimed<Args>[] | undefined> {
    if (this.#pump?.failure !== undefined) throw this.#pump.failure
    if (this.#drained) return undefined
    const over = new AbortController()
    const change = (): void => over.abort()
    this.#onChange.add(change)
    try {
      const batch = await tasks.next(limit, AbortSignal.any([signal, over.signal]))
      // What was claimed makes room for more.
      if (batch !== undefined && batch.length > 0) this.#pump?.wake()
      return batch
    } finally {
      this.#onChange.delete(change)
    }
  }

  async #settle(settlements: readonly Settlement<Result>[]): Promise<readonly Settled[]> {
    const settled = (await this.#queue.settle?.(settlements)) ?? settlements.map(() => 'applied')
    if (this.#pump?.ended === true) this.#look()
    return settled
  }

  async #close(
    stream: TaskStream<Args, QueueContext>,
    tasks: TaskStream<Args, QueueContext>,
    unstarted: readonly { readonly parts: Parts }[],
  ): Promise<void> {
    const worker = this.#streams.get(stream)
    this.#streams.delete(stream)
    // One that has lost its lease goes on under another.
    const last = this.#streams.size === 0 && worker?.isShuttingDown() === true ? worker : undefined
    const pump = this.#pump
    if (last !== undefined) {
      this.#pump = undefined
      this.#looking?.cancel()
      this.#drained = false
    }
    await Promise.all([tasks.close(unstarted), last !== undefined && pump?.stop(last)])
  }

  /** Something has happened that those who wait may have to know. */
  #look(): void {
    const { atEnd } = this.#options
    if (this.#pump?.failure !== undefined) return this.#tell()
    if (this.#pump?.ended !== true || atEnd !== 'stop' || this.#drained) return
    this.#looking?.cancel()
    void this.#isEmpty().then((empty) => {
      if (this.#pump?.ended !== true || this.#drained) return
      if (empty) {
        this.#drained = true
        this.#tell()
        return
      }
      this.#looking?.cancel()
      const again = (): void => this.#look()
      this.#looking = this.clock.setTimer(again, LOOK_EVERY_MS, { background: true })
    })
  }

  #tell(): void {
    for (const change of this.#onChange) change()
  }

  async #isEmpty(): Promise<boolean> {
    try {
      const { pending, failed, running } = await this.#queue.metrics()
      return pending + failed + running === 0
    } catch {
      // The workers' own calls tell of a storage that is away; it is asked again.
      return false
    }
  }
}

const noBeats: AsyncIterable<Beat> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
}
