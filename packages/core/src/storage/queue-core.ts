import type { Clock } from '../time/clock.ts'
import type { Channel } from './channel.ts'
import type { TaskStore } from './task-store.ts'

/** What every part of a queue works with. */
export interface QueueCore<Tx = never> {
  readonly queue: string
  /** Guarded: see `GuardedStore`. */
  readonly store: TaskStore<Tx>
  readonly clock: Clock
  /** The queue's signs, shared by all its views in a storage. */
  readonly channel: Channel
}

/** So many ids or rows go to the store in one call. */
export const BATCH = 1_000
