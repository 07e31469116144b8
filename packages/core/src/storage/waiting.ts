import type { Codec } from '../codec/codec.ts'
import { TaskGoneError } from '../errors/backend-errors.ts'
import { TaskKilledError, TimeoutError } from '../errors/task-errors.ts'
import { knownKeys, OptionError } from '../internal/validate.ts'
import { type TaskId, taskId, taskIds } from '../task/task-id.ts'
import type { Clock } from '../time/clock.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { resultOf, type TaskResult } from './results.ts'
import type { Row } from './task-store.ts'
import type { Waiters } from './waiters.ts'

/** How long to wait for the end of tasks. */
export interface WaitOptions {
  /** Then the wait ends with a `TimeoutError`; the tasks go on. @default none */
  readonly timeout?: Duration
  /** Ends the wait with its reason; the tasks go on. */
  readonly signal?: AbortSignal
}

/** Waits for the ends of a queue's tasks and reads what they left, with the codec of one view of the queue. */
export class Waiting<Result> {
  readonly #waiters: Waiters
  readonly #clock: Clock
  readonly #codec: Codec<never, Result> | undefined

  constructor(waiters: Waiters, clock: Clock, codec: Codec<never, Result> | undefined) {
    this.#waiters = waiters
    this.#clock = clock
    this.#codec = codec
  }

  /** See `WaitForCompletion`. */
  async result(id: string, options: WaitOptions = {}): Promise<Result> {
    const task = taskId(id)
    const limits = checkWaitOptions(options)
    limits.signal?.throwIfAborted()
    const row = await this.#end(task, limits)
    if (row === undefined) throw new TaskGoneError(task)
    const { status, result, error } = resultOf(task, row, this.#codec)
    if (status === 'killed') {
      throw new TaskKilledError(task, error === undefined ? {} : { cause: error })
    }
    if (error !== undefined) throw error
    // Undefined where the queue keeps no result, or the handler gave none.
    return result as Result
  }

  /** See `WaitForCompletion`. */
  waitFor(ids: Iterable<string>, options: WaitOptions = {}): AsyncGenerator<TaskResult<Result>> {
    const tasks = new Set(taskIds('waitFor ids', ids))
    return this.#inOrder(tasks, checkWaitOptions(options))
  }

  #end(id: TaskId, limits: Limits): Promise<Row | undefined> {
    return new Promise((resolve, reject) => {
      const lift = setLimits(this.#clock, limits, `the wait for task ${id}`, (error) => {
        leave()
        lift()
        reject(error)
      })
      const leave = this.#waiters.add(id, {
        ended(row) {
          lift()
          resolve(row)
        },
        failed(error) {
          lift()
          reject(error)
        },
      })
    })
  }

  async *#inOrder(tasks: ReadonlySet<TaskId>, limits: Limits): AsyncGenerator<TaskResult<Result>> {
    limits.signal?.throwIfAborted()
    let ended: Ended[] = []
    let failure: { readonly error: unknown } | undefined
    let wake: (() => void) | undefined
    const failed = (error: unknown): void => {
      failure ??= { error }
      wake?.()
    }
    const lift = setLimits(this.#clock, limits, `the wait for ${tasks.size} tasks`, failed)
    const leave = Array.from(tasks, (id) =>
      this.#waiters.add(id, {
        ended(row) {
          ended.push({ id, row })
          wake?.()
        },
        failed,
      }),
    )
    try {
      for (let left = tasks.size; left > 0;) {
        if (ended.length === 0 && failure === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        // What has ended is told before the wait is given up.
        if (ended.length === 0 && failure !== undefined) throw failure.error
        const batch = ended.toSorted((one, other) => finishedAt(one) - finishedAt(other))
        ended = []
        left -= batch.length
        for (const { id, row } of batch) yield resultOf(id, row, this.#codec)
      }
    } finally {
      lift()
      for (const one of leave) one()
    }
  }
}

interface Ended {
  readonly id: TaskId
  readonly row: Row | undefined
}

interface Limits {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
}

function checkWaitOptions(options: WaitOptions): Limits {
  knownKeys('wait', options, ['timeout', 'signal'])
  const { timeout, signal } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new OptionError('wait.signal', signal, 'an AbortSignal')
  }
  return {
    timeoutMs: timeout === undefined ? undefined : durationMs('wait.timeout', timeout),
    signal,
  }
}

/** Calls `giveUp` at the timeout or when the signal aborts, unless lifted before. */
function setLimits(
  clock: Clock,
  { timeoutMs, signal }: Limits,
  what: string,
  giveUp: (error: unknown) => void,
): () => void {
  const timer =
    timeoutMs === undefined
      ? undefined
      : clock.setTimer(() => giveUp(new TimeoutError(what, timeoutMs)), timeoutMs)
  const aborted = (): void => giveUp(signal?.reason)
  signal?.addEventListener('abort', aborted, { once: true })
  return () => {
    timer?.cancel()
    signal?.removeEventListener('abort', aborted)
  }
}

/** What is gone has ended before everything else. */
function finishedAt({ row }: Ended): number {
  return row?.finishedAt ?? 0
}
