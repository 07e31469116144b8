import { BackendError, isBackendError, isEncodeError } from '../../errors/backend-errors.ts'
import { toStoredError } from '../../errors/stored-error.ts'
import { OptionError } from '../../internal/validate.ts'
import type { WorkerContext } from '../../service/worker-context.ts'
import { newTaskId, taskId } from '../../task/task-id.ts'
import { type Clock, sleep } from '../../time/clock.ts'
import { retryDelayMs } from '../../time/retry-delay.ts'
import type { Metrics, TaskSink } from '../capabilities.ts'
import type { CheckedPipe } from './pipe-options.ts'
import type { Source } from './source.ts'

/** So many items go to the queue in one call. */
const BATCH = 100
/** How often the queue is asked whether it has room, or is empty, while nothing else says so. */
const LOOK_EVERY_MS = 1_000
/** After the stop what was taken is tried for so long; a storage that is away does not keep the worker. */
const LAST_TRIES_MS = 10_000

/** What a {@link Pump} works with. */
export interface PumpDeps<Item> {
  readonly source: Source<Item>
  readonly queue: TaskSink<Item> & Metrics
  readonly clock: Clock
  readonly options: CheckedPipe<Item>
  /** A worker that can tell of what goes wrong. */
  readonly worker: () => WorkerContext | undefined
  /** There is something for those to look at who wait: it failed for good, or there is nothing more to come. */
  readonly onEnd: () => void
}

interface Taken<Item> {
  readonly id: string
  readonly item: Item
}

/** Reads a source and pushes what it gives, no further ahead of the workers than it may. */
export class Pump<Item> {
  readonly #deps: PumpDeps<Item>
  readonly #over = new AbortController()
  readonly #done: Promise<void>
  /** Tasks that may be pushed before the queue is asked again how many wait. */
  #room = 0
  #index = 0
  #wake: () => void = () => {}
  /** The last of the workers has stopped. */
  #stopped: { readonly worker: WorkerContext; readonly at: number } | undefined
  /** What cannot heal. */
  failure: BackendError | undefined
  /** The source has ended, and everything that it gave is stored. */
  ended = false

  constructor(deps: PumpDeps<Item>) {
    this.#deps = deps
    this.#done = this.#run()
  }

  /** There may be room by now. */
  wake(): void {
    this.#wake()
  }

  /** Stops reading; settles when everything that was taken from the source is stored, or cannot be. `worker` hears of that. */
  async stop(worker: WorkerContext): Promise<void> {
    const { clock, source } = this.#deps
    this.#stopped = { worker, at: clock.monotonic() }
    this.#over.abort()
    await this.#done
    source.close((item) => void this.#storeLate(item))
  }

  /** It comes too late for the workers of this process, not for the queue. */
  async #storeLate(item: Item): Promise<void> {
    try {
      await this.#deps.queue.push(item, { id: this.#idOf(item) })
    } catch (error) {
      process.emitWarning(`an item of a pipe was not stored: ${toStoredError(error).message}`)
    }
  }

  async #run(): Promise<void> {
    const { source, onEnd } = this.#deps
    const { signal } = this.#over
    try {
      while (!signal.aborted && !source.ended) {
        await this.#roomFor()
        const items = await this.#read()
        if (items !== undefined) await this.#store(items)
      }
      this.ended = source.ended
    } catch (error) {
      this.failure = lasting('pipe', error)
    }
    onEnd()
  }

  #idOf(item: Item): string {
    const { clock, options } = this.#deps
    const index = this.#index
    this.#index += 1
    return options.id?.(item, index) ?? newTaskId(clock.now())
  }

  /** Waits until the queue has room. */
  async #roomFor(): Promise<void> {
    const { queue, options } = this.#deps
    const { signal } = this.#over
    for (let failures = 1; this.#room <= 0 && !signal.aborted;) {
      try {
        const { pending, failed } = await queue.metrics()
        failures = 1
        this.#room = options.ahead - pending - failed
      } catch (error) {
        this.#tell('sink', error)
        if (!signal.aborted) await this.#pauseAfter(failures)
        failures += 1
        continue
      }
      if (this.#room <= 0) await this.#waitForRoom()
    }
  }

  async #read(): Promise<readonly Item[] | undefined> {
    const { source, options } = this.#deps
    for (let failures = 1; ; failures += 1) {
      try {
        return await source.read(Math.min(this.#room, BATCH), this.#over.signal)
      } catch (error) {
        if (options.onSourceError === 'end') throw lasting('source', error)
        this.#tell('source', error)
        if (!source.reopen()) return undefined
        this.#index = 0
        if (!this.#over.signal.aborted) await this.#pauseAfter(failures)
      }
      if (this.#over.signal.aborted) return undefined
    }
  }

  /**
   * Stores what was taken, also after the stop: it is ours. Throws where an item that cannot be stored is the end; the
   * others are by then.
   */
  async #store(items: readonly Item[]): Promise<void> {
    const { queue, options } = this.#deps
    let end: BackendError | undefined
    const refuse = (error: unknown, count: number): void => {
      if (options.onSinkError === 'continue') this.#drop(error, count)
      else end ??= lasting('sink', error)
    }
    let left = this.#named(items, refuse)
    for (let failures = 1; left.length > 0; failures += 1) {
      try {
        const args = left.map(({ item }) => item)
        await queue.pushBulk(args, { ids: left.map(({ id }) => id) })
        this.#room -= left.length
        break
      } catch (error) {
        const bad = indexOf(error)
        if (bad !== undefined) {
          refuse(error, 1)
          left = left.filter((_, index) => index !== bad)
        } else if (isLasting(error)) {
          refuse(error, left.length)
          left = []
        } else if (this.#isTooLate()) {
          this.#drop(error, left.length)
          left = []
        } else {
          // Under the same ids: nothing is stored twice.
          this.#tell('sink', error)
          await this.#pauseAfter(failures)
        }
      }
    }
    if (end !== undefined) throw end
  }

  /** Each item with its id, but those that get none that can be used. */
  #named(items: readonly Item[], refuse: (error: unknown, count: number) => void): Taken<Item>[] {
    const named: Taken<Item>[] = []
    for (const item of items) {
      try {
        named.push({ id: taskId(this.#idOf(item)), item })
      } catch (error) {
        refuse(error, 1)
      }
    }
    return named
  }

  #isTooLate(): boolean {
    const { clock } = this.#deps
    return this.#stopped !== undefined && clock.monotonic() - this.#stopped.at >= LAST_TRIES_MS
  }

  #drop(error: unknown, count: number): void {
    this.#tell('sink', error)
    this.#worker?.emit({ type: 'dropped', what: 'items', count })
  }

  #tell(operation: 'source' | 'sink', error: unknown): void {
    this.#worker?.emit({ type: 'error', operation, error: BackendError.from(operation, error) })
  }

  get #worker(): WorkerContext | undefined {
    return this.#deps.worker() ?? this.#stopped?.worker
  }

  /** The stop ends a pause, and after it there are pauses all the same. */
  async #pauseAfter(failures: number): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#over
    await sleep(clock, retryDelayMs(failures, clock), signal.aborted ? {} : { signal })
  }

  async #waitForRoom(): Promise<void> {
    const over = new AbortController()
    this.#wake = () => over.abort()
    const signal = AbortSignal.any([over.signal, this.#over.signal])
    await sleep(this.#deps.clock, LOOK_EVERY_MS, { signal })
  }
}

/** Which of the items cannot be stored: an `EncodeError` of a bulk names it first. */
function indexOf(error: unknown): number | undefined {
  if (!isEncodeError(error)) return undefined
  const [, index] = /^\[(\d+)\]/.exec(error.path) ?? []
  return index === undefined ? undefined : Number(index)
}

function isLasting(error: unknown): boolean {
  return (
    isEncodeError(error) ||
    error instanceof OptionError ||
    (isBackendError(error) && !error.transient)
  )
}

function lasting(operation: 'source' | 'sink' | 'pipe', error: unknown): BackendError {
  if (isBackendError(error) && !error.transient) return error
  return new BackendError(operation, toStoredError(error).message, {
    transient: false,
    applied: 'no',
    cause: error,
  })
}
