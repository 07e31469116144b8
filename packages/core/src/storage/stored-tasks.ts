import type { Undecodable } from '../backend/backend.ts'
import type { Codec } from '../codec/codec.ts'
import { DuplicateTaskError, TaskStateError } from '../errors/backend-errors.ts'
import { type StoredError, toStoredError } from '../errors/stored-error.ts'
import { TaskKilledError } from '../errors/task-errors.ts'
import { anObject, knownKeys, oneOf, OptionError, wholeNumber } from '../internal/validate.ts'
import { statuses } from '../task/status.ts'
import type { QueueContext, Task } from '../task/task.ts'
import { checkPushOptions, type PushOptions } from '../task/task-builder.ts'
import { type TaskId, taskId, taskIds } from '../task/task-id.ts'
import type { Duration } from '../time/duration.ts'
import type { ListTasksOptions, TaskChanges } from './capabilities.ts'
import { encodeText } from './encoding.ts'
import { BATCH, type QueueCore } from './queue-core.ts'
import { resultOf, type TaskResult } from './results.ts'
import { storedTask } from './rows.ts'
import type { Row, RowChanges } from './task-store.ts'

/** What {@link StoredTasks} work with. */
export interface StoredTasksDeps<In, Args, Result> extends QueueCore {
  readonly args: Codec<In, Args>
  readonly result: Codec<never, Result> | undefined
  readonly maxSize: number
}

/** Reads and changes the stored tasks of a queue, one at a time or by the page. */
export class StoredTasks<In, Args, Result> {
  readonly #deps: StoredTasksDeps<In, Args, Result>

  constructor(deps: StoredTasksDeps<In, Args, Result>) {
    this.#deps = deps
  }

  /** See `FetchById`. */
  async fetchById(id: string): Promise<Task<Args, QueueContext> | undefined> {
    const { queue, store, args } = this.#deps
    const [row] = await store.get(queue, [taskId(id)])
    if (row === undefined) return undefined
    const task = storedTask(row, queue, args)
    if ('error' in task) throw task.error
    return task
  }

  /** See `WaitForCompletion`. */
  async checkStatus(ids: Iterable<string>): Promise<readonly TaskResult<Result>[]> {
    const { queue, store, result } = this.#deps
    const tasks = taskIds('checkStatus ids', ids)
    const rows: (Row | undefined)[] = []
    for (let from = 0; from < tasks.length; from += BATCH) {
      rows.push(...(await store.get(queue, tasks.slice(from, from + BATCH))))
    }
    return tasks.map((id, index) => resultOf(id, rows[index], result))
  }

  /** See `ListTasks`. */
  async listTasks(
    options: ListTasksOptions = {},
  ): Promise<readonly (Task<Args, QueueContext> | Undecodable<QueueContext>)[]> {
    const { queue, store, args } = this.#deps
    knownKeys('listTasks', options, ['status', 'page', 'pageSize'])
    const { status: given, page = 1, pageSize = 10 } = options
    const limit = wholeNumber('listTasks.pageSize', pageSize, { min: 1, max: BATCH })
    const before = wholeNumber('listTasks.page', page, { min: 1, max: 2 ** 31 }) - 1
    const filter = { offset: before * limit, limit }
    if (given === undefined) {
      const rows = await store.list(queue, filter)
      return rows.map((row) => storedTask(row, queue, args))
    }
    const status = oneOf('listTasks.status', given, statuses)
    if (status === 'queued') return []
    const rows = await store.list(queue, { ...filter, status })
    return rows.map((row) => storedTask(row, queue, args))
  }

  /** See `Update`. */
  async update(id: string, changes: TaskChanges<In>): Promise<boolean> {
    return this.#change(taskId(id), this.#rowChanges(changes))
  }

  /** See `Reschedule`. */
  async reschedule(id: string, when: Duration | Date): Promise<boolean> {
    return this.#change(
      taskId(id),
      changesOf(when instanceof Date ? { runAt: when } : { delay: when }),
    )
  }

  /** See `Kill`. */
  async kill(id: string, reason?: unknown): Promise<boolean> {
    const { queue, store, channel } = this.#deps
    const task = taskId(id)
    const killed = await store.kill(queue, task, killedFor(task, reason))
    if (killed) {
      channel.emit({ type: 'killed', ids: [task] })
      channel.emit({ type: 'settled', ids: [task] })
    }
    return killed
  }

  /** See `Retry`. */
  async retry(id: string, options: { readonly resetAttempts?: boolean } = {}): Promise<boolean> {
    const { queue, store, channel } = this.#deps
    knownKeys('retry', options, ['resetAttempts'])
    const { resetAttempts = true } = options
    if (typeof resetAttempts !== 'boolean') {
      throw new OptionError('retry.resetAttempts', resetAttempts, 'true or false')
    }
    const task = taskId(id)
    const retried = await store.retry(queue, task, { resetAttempts })
    if (retried.changed) {
      channel.wake()
      return true
    }
    if ('holder' in retried) {
      throw new DuplicateTaskError(
        `cannot retry task ${task}: task ${retried.holder} holds its unique key`,
        retried.holder,
      )
    }
    if (retried.status !== undefined) throw new TaskStateError('retry', task, retried.status)
    return false
  }

  /** See `Remove`. */
  async remove(id: string): Promise<boolean> {
    const { queue, store, channel } = this.#deps
    const task = taskId(id)
    const removed = await store.remove(queue, task)
    if (removed.changed) {
      channel.emit({ type: 'settled', ids: [task] })
      return true
    }
    if (removed.status !== undefined) throw new TaskStateError('remove', task, removed.status)
    return false
  }

  /** See `ResumeById`. */
  async resumeById(id: string): Promise<boolean> {
    const { queue, store, channel } = this.#deps
    const task = taskId(id)
    const taken = await store.take(queue, task)
    if (taken) {
      // Whoever held it learns by its next beat; this is a reason to make one.
      channel.emit({ type: 'killed', ids: [task] })
      channel.wake()
    }
    return taken
  }

  async #change(id: TaskId, changes: RowChanges): Promise<boolean> {
    const { queue, store, channel } = this.#deps
    const { changed } = await store.update(queue, id, changes)
    if (changed) channel.wake()
    return changed
  }

  #rowChanges(changes: TaskChanges<In>): RowChanges {
    const { args, ...options } = anObject('update', changes)
    knownKeys('update', options, ['priority', 'runAt', 'delay', 'metadata'])
    const { args: codec, maxSize } = this.#deps
    return {
      ...changesOf(options),
      ...(args !== undefined && { args: encodeText(codec, args, 'the arguments', maxSize) }),
    }
  }
}

/** Checked as the options of a push are. */
function changesOf(
  options: Pick<PushOptions, 'priority' | 'runAt' | 'delay' | 'metadata'>,
): RowChanges {
  const { priority, runAt, delayMs, metadata } = checkPushOptions(options)
  return {
    ...(priority !== undefined && { priority }),
    ...(runAt !== undefined && { runAt }),
    ...(delayMs !== undefined && { delayMs }),
    ...(metadata !== undefined && { metadata }),
  }
}

function killedFor(id: TaskId, reason: unknown): StoredError {
  if (typeof reason !== 'string') return toStoredError(reason ?? new TaskKilledError(id))
  const { message } = toStoredError(reason)
  return { name: 'TaskKilledError', message, code: 'ERR_TASK_KILLED' }
}
