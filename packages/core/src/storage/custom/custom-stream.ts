import type { TaskStream, Undecodable } from '../../backend/backend.ts'
import type { Poller } from '../../backend/poll.ts'
import type { Codec } from '../../codec/codec.ts'
import { BackendError } from '../../errors/backend-errors.ts'
import { untilAborted } from '../../internal/until-aborted.ts'
import type { Parts, Task } from '../../task/task.ts'
import type { Clock } from '../../time/clock.ts'
import { type Batch, type Fetched, type FetchedTask, taskOf } from './fetched.ts'

/** What a stream of a custom backend works with. */
export interface CustomStreamDeps<Args, Context> {
  readonly fetch: (limit: number, signal: AbortSignal) => Fetched<Args, Context>
  readonly poller: Poller
  readonly codec: Codec<never, Args>
  readonly clock: Clock
  readonly onClose: (stream: CustomStream<Args, Context>) => void
  readonly release: (unstarted: readonly { readonly parts: Parts }[]) => Promise<void>
}

type Claimed<Args, Context> = Task<Args, Context> | Undecodable<Context>

/** The tasks that a function fetches for one worker incarnation. */
export class CustomStream<Args, Context> implements TaskStream<Args, Context> {
  readonly #deps: CustomStreamDeps<Args, Context>
  /** More than there was room for. */
  #spare: Claimed<Args, Context>[] = []
  #source: AsyncIterator<FetchedTask<Args, Context> | undefined> | undefined
  /** An answer that an earlier call did not wait for: what it brings is still ours. */
  #asked: Promise<Batch<Args, Context>> | undefined
  #found = 0
  #waits = false
  #ended = false
  /** Ends the wait under way. */
  wake: () => void = () => {}

  constructor(deps: CustomStreamDeps<Args, Context>) {
    this.#deps = deps
  }

  async next(
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly Claimed<Args, Context>[] | undefined> {
    if (this.#waits) {
      await this.#wait(signal)
      this.#found = 0
      this.#waits = false
      return []
    }
    if (this.#spare.length > 0) return this.#spare.splice(0, limit)
    if (this.#ended) return undefined
    if (signal.aborted) return []
    const batch = await this.#answer(limit, signal)
    if (batch === null) {
      this.#ended = true
      return undefined
    }
    const { tasks, failure } = this.#tasksOf(batch)
    this.#found += tasks.length
    this.#spare = tasks
    // The others of the batch are for the next call.
    if (failure !== undefined) throw failure
    this.#waits = tasks.length === 0 && !signal.aborted
    return this.#spare.splice(0, limit)
  }

  async close(unstarted: readonly { readonly parts: Parts }[]): Promise<void> {
    this.#ended = true
    this.#deps.onClose(this)
    this.#deps.poller.close?.()
    const spare = this.#spare.splice(0)
    // Not awaited: a source that waits for its next item answers when that comes, and that may be never.
    void this.#giveBackLast()
    void this.#source?.return?.().then(undefined, () => undefined)
    await this.#deps.release([...unstarted, ...spare])
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    this.wake = () => over.abort()
    await this.#deps.poller.wait(this.#found, AbortSignal.any([signal, over.signal]))
  }

  /** What is fetched, as a list; null: there will never be more. */
  async #answer(
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly FetchedTask<Args, Context>[] | null> {
    this.#asked ??= this.#ask(limit, signal)
    const asked = this.#asked
    let batch: Batch<Args, Context>
    try {
      batch = await untilAborted(asked, signal)
    } catch (error) {
      this.#asked = undefined
      throw error
    }
    // Aborted: it is not known yet, and `close` will see to it.
    if (batch === undefined && signal.aborted) return []
    this.#asked = undefined
    return listOf(batch)
  }

  async #ask(limit: number, signal: AbortSignal): Promise<Batch<Args, Context>> {
    if (this.#source === undefined) {
      const fetched = this.#deps.fetch(limit, signal)
      if (!isAsyncIterable(fetched)) return fetched
      this.#source = fetched[Symbol.asyncIterator]()
    }
    try {
      const { done, value } = await this.#source.next()
      if (done !== true) return value
      this.#source = undefined
      return undefined
    } catch (error) {
      // One that has failed gives nothing more: the next call fetches anew.
      this.#source = undefined
      throw error
    }
  }

  /** The tasks of a batch, and what is wrong with the first of what can be none. */
  #tasksOf(batch: readonly FetchedTask<Args, Context>[]): {
    readonly tasks: Claimed<Args, Context>[]
    readonly failure: Error | undefined
  } {
    const { codec, clock } = this.#deps
    const tasks: Claimed<Args, Context>[] = []
    let failure: Error | undefined
    for (const fetched of batch) {
      try {
        tasks.push(taskOf(fetched, codec, clock))
      } catch (error) {
        failure ??= BackendError.from('fetch', error)
      }
    }
    return { tasks, failure }
  }

  async #giveBackLast(): Promise<void> {
    try {
      const { tasks } = this.#tasksOf(listOf(await this.#asked) ?? [])
      if (tasks.length > 0) await this.#deps.release(tasks)
    } catch {
      // The worker is gone: nobody is left to be told of a source that fails now.
    }
  }
}

function listOf<Args, Context>(
  batch: Batch<Args, Context>,
): readonly FetchedTask<Args, Context>[] | null {
  if (batch === null) return null
  if (batch === undefined) return []
  return isList(batch) ? batch : [batch]
}

function isList<Item>(batch: Item | readonly Item[]): batch is readonly Item[] {
  return Array.isArray(batch)
}

function isAsyncIterable<Args, Context>(
  fetched: Fetched<Args, Context>,
): fetched is AsyncIterable<FetchedTask<Args, Context> | undefined> {
  return typeof fetched === 'object' && fetched !== null && Symbol.asyncIterator in fetched
}
