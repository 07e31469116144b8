import type { Codec } from '../codec/codec.ts'
import type { DecodeError, EncodeError } from '../errors/backend-errors.ts'
import type { Layer } from '../service/service.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { Backoff } from '../task/backoff.ts'
import type { Parts, Task } from '../task/task.ts'
import type { TaskId } from '../task/task-id.ts'
import type { Clock } from '../time/clock.ts'

/**
 * A source of tasks. apalis's `Backend`; its associated types: Stream = {@link TaskStream}, Layer = `middleware()`,
 * Codec = `codec`, Beat = {@link Beat}, IdType = `TaskId`, Ctx = `Context`, Error = `BackendError`
 * (thrown by any of these; it never ends a worker by itself).
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a backend that does not say takes every result
export interface Backend<out Args, in Result = any, out Context = unknown> {
  /** Of the queue, pipe or schedule: events, metrics and errors say it. */
  readonly name: string
  readonly codec?: Codec<never, Args>
  /** The clock of the workers that are given none of their own. @default the system's */
  readonly clock?: Clock
  /** How long a failed attempt waits. @default exponential from 1 s, full jitter, at most 1 h */
  readonly backoff?: Backoff
  /** How often in a row a task may be sent back without using an attempt. @default 1000 */
  readonly maxReleases?: number
  /** One stream per incarnation; two workers share nothing in it. */
  poll(worker: WorkerContext): TaskStream<Args, Context>
  /**
   * One item a beat, paced by the backend (at once on a 'killed' signal). After a throw the worker asks for a new one.
   * `return()` comes when the last outcome is durable and ends the incarnation; just before it `signal` aborts, so that
   * a generator need not wait for its next beat. Absent: no lease to keep.
   */
  heartbeat?(worker: WorkerContext, signal: AbortSignal): AsyncIterable<Beat>
  /** Stores outcomes, all of one incarnation. Absent: outcomes are events only. */
  settle?(settlements: readonly Settlement<Result>[]): Promise<readonly Settled[]>
  /** The backend's own layer, inside the task's timeout and outside the worker's layers. */
  middleware?(): Layer
}

/** The tasks of one worker incarnation. */
export interface TaskStream<out Args, out Context = unknown> {
  /**
   * At most `limit` claimed tasks, in the order to run them. `[]`: none; a call that follows `[]` waits for a sign of
   * work, then answers `[]` again so that the worker asks with a fresh limit. Aborted: begins no claim; what a claim in
   * flight brings is still returned. Throws `LeaseLostError`: this incarnation is over. `undefined`: the source has ended.
   */
  next(
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly (Task<Args, Context> | Undecodable<Context>)[] | undefined>
  /**
   * Called once, as soon as stopping begins: gives back what was claimed and never started; the running ones still settle.
   * Or when the incarnation is lost, and then there is nothing to give back.
   */
  close(unstarted: readonly { readonly parts: Parts }[]): Promise<void>
}

/** A claimed task whose arguments cannot be read; the worker settles it as killed. */
export interface Undecodable<out Context = unknown> {
  readonly parts: Parts<Context>
  readonly error: DecodeError
}

/** What the backend says of a worker's claims. */
export interface Beat {
  /** For how long from now the worker may trust its claims, in milliseconds. */
  readonly trustMs: number
  /** The queue is paused: what waits in the worker's buffer is given back. */
  readonly paused: boolean
  /** Claims that the worker holds no longer. */
  readonly revoked: readonly Revoked[]
}

/** A claim that the worker holds no longer. */
export interface Revoked {
  readonly id: TaskId
  /** The claim's, where the backend counts them: the worker may have claimed the task anew since. @default any claim of the task */
  readonly epoch?: number
  /** The task was killed, or it is another's by now. */
  readonly reason: 'cancelled' | 'taken'
}

/** How one claim ends. */
export interface Settlement<out Result = unknown> {
  readonly task: { readonly parts: Parts }
  readonly outcome: Outcome<Result>
}

/** What is written when a claim ends. */
export type Outcome<Result = unknown> =
  | { readonly type: 'done'; readonly result: Result }
  | { readonly type: 'failed'; readonly error: unknown; readonly retryIn: number }
  | { readonly type: 'killed'; readonly error: unknown }
  | {
      readonly type: 'released'
      /** Milliseconds; 0 keeps the task's `runAt`, hence its place. */
      readonly dueIn: number
      readonly error?: unknown
    }

/**
 * What became of a settlement. `repeated`: it was already stored, by us. `stale`: the claim is another's by now;
 * `cancelled`: it was killed meanwhile; neither wrote anything. An `EncodeError`: stored as killed with it. `completed`: the
 * handler had settled it itself, as done with that result, and this outcome was not written.
 */
export type Settled = 'applied' | 'repeated' | 'stale' | 'cancelled' | EncodeError | Completed

/** A handler has settled its task itself, in a transaction of its own. */
export interface Completed {
  readonly completed: unknown
}

/** Whether an answer says that the handler had settled its task itself. */
export function isCompleted(settled: unknown): settled is Completed {
  return (
    typeof settled === 'object' &&
    settled !== null &&
    !(settled instanceof Error) &&
    'completed' in settled
  )
}
