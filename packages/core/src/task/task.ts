import type { Metadata } from './metadata.ts'
import type { Status } from './status.ts'
import type { TaskId } from './task-id.ts'

/** One unit of work: the arguments, and what is kept beside them. apalis's `Task`. */
export interface Task<out Args, out Context = unknown> {
  readonly args: Args
  readonly parts: Parts<Context>
}

/** What is kept beside a task's arguments. apalis's `Parts`. */
export interface Parts<out Context = unknown> {
  readonly taskId: TaskId
  readonly attempt: Attempt
  readonly status: Status
  /** The task does not start before this. */
  readonly runAt: Date
  readonly metadata: Metadata
  /** The task's own run timeout in milliseconds; undefined where it has none. */
  readonly timeoutMs: number | undefined
  /** What the backend keeps: for a queue its {@link QueueContext}, for a built task what it is to be pushed with. */
  readonly context: Context
}

/** How often a task ran and how often it may. apalis's `Attempt`. */
export interface Attempt {
  /** Runs so far, the current one included. */
  readonly current: number
  /** The most there may be. */
  readonly max: number
}

/** One failed run, as it is kept. */
export interface TaskFailure {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly cause?: Omit<TaskFailure, 'at' | 'attempt'>
  readonly at: Date
  readonly attempt: number
}

/** The context of a queue's tasks. */
export interface QueueContext {
  readonly queue: string
  readonly priority: number
  /** Grows by one at every claim and never goes back: the fence. */
  readonly epoch: number
  /** How often its worker died. */
  readonly rescues: number
  /** How often in a row it was given back without using an attempt, by a handler or layer. */
  readonly releases: number
  /** The incarnation of the worker that holds it. */
  readonly lockedBy: string | undefined
  readonly lockedAt: Date | undefined
  readonly createdAt: Date
  readonly finishedAt: Date | undefined
  readonly uniqueKey: string | undefined
  /** The last failed runs, oldest first. */
  readonly errors: readonly TaskFailure[]
}
