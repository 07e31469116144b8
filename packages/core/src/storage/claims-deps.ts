import type { Codec } from '../codec/codec.ts'
import type { Clock } from '../time/clock.ts'
import type { Channel } from './channel.ts'
import type { ProcessScope } from './process-scope.ts'
import type { TaskStore } from './task-store.ts'

/** How long finished tasks are kept, in milliseconds; undefined: for ever. */
export interface RetentionMs {
  readonly done: number | undefined
  readonly killed: number | undefined
}

/** What a queue gives to the part of it that serves workers: poll, heartbeat, settle. */
export interface ClaimsDeps<Args, Result> {
  readonly queue: string
  /** Guarded: each call has its timeout, and fails with a `BackendError` or `LeaseLostError` only. */
  readonly store: TaskStore
  readonly clock: Clock
  /** The signs of work of the queue, shared by all its views. */
  readonly channel: Channel
  /** What the workers of one process share; undefined: that of this process. */
  readonly scope: ProcessScope | undefined
  readonly leaseMs: number
  readonly retention: RetentionMs
  readonly maxRescues: number
  /** How the arguments of claimed rows are read; see `taskOf` in rows.ts. */
  readonly codec: Codec<never, Args>
  /** The text to store; undefined: the queue keeps no results, or there is nothing to keep. Throws an `EncodeError`. */
  readonly encodeResult: (result: Result) => string | undefined
  /** How long an idle worker waits before it looks again while `channel.listening` is false. */
  readonly safetyPollMs: number
  /** How often finished tasks past their retention are purged. */
  readonly purgeEveryMs: number
}
