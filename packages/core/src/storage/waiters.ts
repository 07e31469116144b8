import { isBackendError } from '../errors/backend-errors.ts'
import { GroupCommit } from '../internal/group-commit.ts'
import { isFinished } from '../task/status.ts'
import type { TaskId } from '../task/task-id.ts'
import { type Clock, random, type Timer } from '../time/clock.ts'
import type { Channel } from './channel.ts'
import type { Row, TaskStore } from './task-store.ts'

/** Somebody who waits for the end of one task. Told once. */
export interface Waiter {
  /** `row` undefined: there is no such task (any more). */
  ended(row: Row | undefined): void
  failed(error: unknown): void
}

/** What {@link Waiters} work with. */
export interface WaitersDeps {
  readonly queue: string
  readonly store: TaskStore
  readonly clock: Clock
  readonly channel: Channel
  readonly safetyPollMs: number
}

interface Awaited {
  readonly waiters: Set<Waiter>
  reading: boolean
  /** A sign came while the row was being read: what was read may be older. */
  again: boolean
}

/** So many ids are read together. */
const READ_AT_ONCE = 1_000
const FIRST_RETRY_MS = 100
/** While the listener stands only a lost hint is left to the poll, so it may be so many times slower. */
const SLOWER_WHILE_LISTENING = 12

/**
 * Everybody who waits for tasks of one queue: one subscription, one read for all who ask in one turn, one timer. Signs say
 * when to read again; the timer is there for signs that never come. With the last waiter all of it goes.
 */
export class Waiters {
  readonly #deps: WaitersDeps
  readonly #reads: GroupCommit<string, Row | undefined>
  readonly #awaited = new Map<string, Awaited>()
  #unsubscribe: (() => void) | undefined
  #poll: Timer | undefined
  /** Whether the listener stood when the timer was armed. */
  #armedListening = false
  #failures = 0
  #closed: Error | undefined

  constructor(deps: WaitersDeps) {
    this.#deps = deps
    this.#reads = new GroupCommit({
      flush: (ids) => this.#watch(ids),
      weigh: () => 1,
      maxItems: READ_AT_ONCE,
      splitOn: (error) => !isTransient(error),
    })
  }

  /** Tells `waiter` of the end of task `id`, unless the function that it gives back is called before. */
  add(id: TaskId, waiter: Waiter): () => void {
    if (this.#closed !== undefined) {
      waiter.failed(this.#closed)
      return () => undefined
    }
    let awaited = this.#awaited.get(id)
    if (awaited === undefined) {
      awaited = { waiters: new Set(), reading: false, again: false }
      this.#awaited.set(id, awaited)
    }
    awaited.waiters.add(waiter)
    this.#begin()
    this.#read(id, awaited)
    return () => {
      if (!awaited.waiters.delete(waiter) || awaited.waiters.size > 0) return
      this.#forget(id, awaited)
    }
  }

  /** Everybody who waits gets `error`, and whoever comes later. */
  close(error: Error): void {
    this.#closed ??= error
    for (const [id, awaited] of this.#awaited) this.#reject(id, awaited, error)
  }

  #begin(): void {
    if (this.#unsubscribe !== undefined) return
    this.#unsubscribe = this.#deps.channel.subscribe(['settled', 'listening'], (sign) => {
      if (sign.type !== 'listening') this.#mayHaveEnded(sign.ids)
      // Not at each failure to listen anew: that would put the poll off for ever.
      else if (this.#armedListening !== this.#deps.channel.listening) this.#arm()
    })
    this.#arm()
  }

  #arm(): void {
    const { channel, clock, safetyPollMs } = this.#deps
    const usual = channel.listening ? safetyPollMs * SLOWER_WHILE_LISTENING : safetyPollMs
    const ms =
      this.#failures === 0
        ? usual
        : Math.min(safetyPollMs, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 20))
    this.#armedListening = channel.listening
    this.#poll?.cancel()
    this.#poll = clock.setTimer(
      () => {
        this.#mayHaveEnded(undefined)
        this.#arm()
      },
      ms * (0.75 + random(clock) / 2),
    )
  }

  #mayHaveEnded(ids: Iterable<string> | undefined): void {
    for (const id of ids ?? this.#awaited.keys()) {
      const awaited = this.#awaited.get(id)
      if (awaited === undefined) continue
      if (awaited.reading) awaited.again = true
      else this.#read(id, awaited)
    }
  }

  #read(id: string, awaited: Awaited): void {
    if (awaited.reading) return
    awaited.reading = true
    awaited.again = false
    this.#reads.add(id).then(
      (row) => {
        awaited.reading = false
        if (this.#awaited.get(id) === awaited) this.#answered(id, awaited, row)
      },
      (error: unknown) => {
        awaited.reading = false
        // After a transient failure the timer reads again.
        if (!isTransient(error)) this.#reject(id, awaited, error)
      },
    )
  }

  async #watch(ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    const { queue, store } = this.#deps
    const before = this.#failures
    try {
      const rows = await store.watch(queue, ids)
      this.#failures = 0
      return rows
    } catch (error) {
      if (isTransient(error)) this.#failures += 1
      throw error
    } finally {
      if (this.#failures !== before && this.#awaited.size > 0) this.#arm()
    }
  }

  #answered(id: string, awaited: Awaited, row: Row | undefined): void {
    if (row !== undefined && !isFinished(row.status)) {
      if (awaited.again) this.#read(id, awaited)
      return
    }
    this.#forget(id, awaited)
    for (const waiter of awaited.waiters) waiter.ended(row)
  }

  #reject(id: string, awaited: Awaited, error: unknown): void {
    if (this.#awaited.get(id) !== awaited) return
    this.#forget(id, awaited)
    for (const waiter of awaited.waiters) waiter.failed(error)
  }

  #forget(id: string, awaited: Awaited): void {
    // It may have ended meanwhile, and be awaited anew.
    if (this.#awaited.get(id) !== awaited) return
    this.#awaited.delete(id)
    if (this.#awaited.size > 0) return
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#poll?.cancel()
    this.#poll = undefined
    this.#failures = 0
  }
}

function isTransient(error: unknown): boolean {
  return !isBackendError(error) || error.transient
}
