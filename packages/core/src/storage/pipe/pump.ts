import { BackendError, isBackendError, isEncodeError } from '../../errors/backend-errors.ts'
import { toStoredError } from '../../errors/stored-error.ts'
import type { WorkerContext } from '../../service/worker-context.ts'
import { newTaskId } from '../../task/task-id.ts'
import { type Clock, sleep } from '../../time/clock.ts'
import { retryDelayMs } from '../../time/retry-delay.ts'
import type { Metrics, TaskSink } from '../capabilities.ts'
import type { CheckedPipe } from './pipe-options.ts'
import type { Source } from './source.ts'

/** So many items go to the queue in one call. */
const BATCH = 100
/** How often the queue is asked whether it has room, or is empty, while nothing else says so. */
const LOOK_EVERY_MS = 1_000

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

  /** Stops reading; settles when everything that was taken from the source is stored, or cannot be. */
  async stop(): Promise<void> {
    this.#over.abort()
    this.#wake()
    await this.#done
    const { queue, source } = this.#deps
    source.close((item) => {
      // It comes too late for the workers of this process, not for the queue.
      queue.push(item, { id: this.#idOf(item) }).catch((error: unknown) => {
        process.emitWarning(`an item of a pipe was not stored: ${toStoredError(error).message}`)
      })
    })
  }

  async #run(): Promise<void> {
    const { source, onEnd } = this.#deps
    const { signal } = this.#over
    try {
      while (!signal.aborted && !source.ended) {
        await this.#roomFor()
        const items = await this.#read()
        if (items !== undefined)
          await this.#store(items.map((item) => ({ id: this.#idOf(item), item })))
      }
      this.ended = source.ended
    } catch (error) {
      this.failure = BackendError.from('pipe', error)
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
        await this.#failed('sink', error, failures)
        failures += 1
        continue
      }
      if (this.#room <= 0) await this.#sleep(LOOK_EVERY_MS)
    }
  }

  async #read(): Promise<readonly Item[] | undefined> {
    const { source, options } = this.#deps
    for (let failures = 1; ; failures += 1) {
      try {
        return await source.read(Math.min(this.#room, BATCH), this.#over.signal)
      } catch (error) {
        if (options.onSourceError === 'end') throw lasting('source', error)
        await this.#failed('source', error, failures)
        source.reopen()
        this.#index = 0
      }
      if (this.#over.signal.aborted) return undefined
    }
  }

  /** Stores what was taken, also after the stop: it is ours. */
  async #store(taken: readonly Taken<Item>[]): Promise<void> {
    const { queue } = this.#deps
    let left = taken
    for (let failures = 1; left.length > 0; failures += 1) {
      try {
        const args = left.map(({ item }) => item)
        await queue.pushBulk(args, { ids: left.map(({ id }) => id) })
        this.#room -= left.length
        return
      } catch (error) {
        const bad = indexOf(error)
        if (bad === undefined && !isLasting(error)) {
          // Under the same ids: nothing is stored twice.
          await this.#failed('sink', error, failures)
          continue
        }
        if (this.#deps.options.onSinkError === 'end') throw lasting('sink', error)
        this.#tell('sink', error)
        this.#deps
          .worker()
          ?.emit({ type: 'dropped', what: 'items', count: bad === undefined ? left.length : 1 })
        left = bad === undefined ? [] : left.filter((_, index) => index !== bad)
      }
    }
  }

  async #failed(operation: 'source' | 'sink', error: unknown, failures: number): Promise<void> {
    this.#tell(operation, error)
    await this.#sleep(retryDelayMs(failures, this.#deps.clock))
  }

  #tell(operation: 'source' | 'sink', error: unknown): void {
    this.#deps
      .worker()
      ?.emit({ type: 'error', operation, error: BackendError.from(operation, error) })
  }

  async #sleep(ms: number): Promise<void> {
    const over = new AbortController()
    this.#wake = () => over.abort()
    await sleep(this.#deps.clock, ms, { signal: AbortSignal.any([over.signal, this.#over.signal]) })
  }
}

/** Which of the items cannot be stored: an `EncodeError` of a bulk names it first. */
function indexOf(error: unknown): number | undefined {
  if (!isEncodeError(error)) return undefined
  const [, index] = /^\[(\d+)\]/.exec(error.path) ?? []
  return index === undefined ? undefined : Number(index)
}

function isLasting(error: unknown): boolean {
  return isEncodeError(error) || (isBackendError(error) && !error.transient)
}

function lasting(operation: 'source' | 'sink', error: unknown): BackendError {
  if (isBackendError(error) && !error.transient) return error
  return new BackendError(operation, toStoredError(error).message, {
    transient: false,
    applied: 'no',
    cause: error,
  })
}
