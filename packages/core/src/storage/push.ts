import { anObject, OptionError } from '../internal/validate.ts'
import type { Task } from '../task/task.ts'
import { type CheckedPush, checkPushOptions, type PushOptions } from '../task/task-builder.ts'
import { type TaskId, taskId } from '../task/task-id.ts'
import type { BulkOptions, StreamOptions, TaskSink } from './capabilities.ts'
import { storeStream } from './push-stream.ts'
import type { Inserter } from './lanes.ts'
import type { RowMaker } from './row-maker.ts'

/**
 * The pushing methods of a queue, or of a queue within a transaction: they differ in how rows are stored. Arguments are
 * encoded before a push gives back its promise, so that what happens to them afterwards does not matter.
 */
export class Sink<in In> implements TaskSink<In> {
  readonly #rows: RowMaker<In>
  readonly #inserter: Inserter

  constructor(rows: RowMaker<In>, inserter: Inserter) {
    this.#rows = rows
    this.#inserter = inserter
  }

  /** See `TaskSink`. Not an async function: of what happens millions of times, a promise less counts. */
  push(args: In, options?: PushOptions): Promise<TaskId> {
    try {
      return this.#one(args, checkPushOptions(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** See `TaskSink`. */
  async pushTask(task: Task<In, PushOptions>): Promise<TaskId> {
    const push = checkTask(task)
    return this.#one(task.args, push)
  }

  /** See `TaskSink`. */
  async pushBulk(args: readonly In[], options: BulkOptions = {}): Promise<readonly TaskId[]> {
    const items = checkArray('pushBulk args', args)
    const { ids, ...others } = anObject('pushBulk', options)
    const push = checkShared(others)
    if (ids !== undefined && checkArray('ids', ids).length !== args.length) {
      throw new OptionError('ids', ids, `one for each of the ${args.length} tasks`)
    }
    if (args.length === 0) return []
    const enriched = this.#rows.enrich()
    const now = this.#rows.now()
    const rows = items.map((one, index) => {
      const id = ids?.[index]
      const own = id === undefined ? push : { ...push, id: taskId(id) }
      return this.#rows.rowAt(index, one, own, enriched, now)
    })
    return this.#inserter.all(rows, isOnlyNew(push))
  }

  /** See `TaskSink`. */
  async pushAll(tasks: readonly Task<In, PushOptions>[]): Promise<readonly TaskId[]> {
    const all = checkArray('pushAll tasks', tasks)
    if (all.length === 0) return []
    const pushes = all.map(checkTask)
    const enriched = this.#rows.enrich()
    const now = this.#rows.now()
    const rows = all.map(({ args }, index) =>
      this.#rows.rowAt(index, args, pushes[index] ?? {}, enriched, now),
    )
    return this.#inserter.all(rows, pushes.some(isOnlyNew))
  }

  /** See `TaskSink`. */
  async pushStream(
    source: AsyncIterable<In> | Iterable<In>,
    options: StreamOptions = {},
  ): Promise<number> {
    const push = checkShared(options)
    const enriched = this.#rows.enrich()
    return storeStream(
      source,
      () => {
        const now = this.#rows.now()
        return (args, index) => this.#rows.rowAt(index, args, push, enriched, now)
      },
      (rows) => this.#inserter.all(rows, isOnlyNew(push)),
    )
  }

  #one(args: In, push: CheckedPush): Promise<TaskId> {
    const row = this.#rows.row(args, push, this.#rows.enrich(), this.#rows.now())
    return this.#inserter.one(row, isOnlyNew(push))
  }
}

function checkTask(task: Task<unknown, PushOptions>): CheckedPush {
  // What is no task may come from a caller without types.
  const given = task as { readonly parts?: unknown } | null | undefined
  if (typeof given?.parts !== 'object' || given.parts === null) {
    throw new OptionError('task', task, 'a task, as made by TaskBuilder')
  }
  const push = checkPushOptions(task.parts.context)
  return push.id === undefined ? { ...push, id: taskId(task.parts.taskId) } : push
}

/** Options for many tasks. */
function checkShared(options: StreamOptions): CheckedPush {
  const push = checkPushOptions(options)
  if (push.id !== undefined) throw new OptionError('id', push.id, 'none for several tasks')
  return push
}

function checkArray<Item>(option: string, value: readonly Item[]): readonly Item[] {
  if (!Array.isArray(value)) throw new OptionError(option, value, 'an array')
  // A hole is a value that is missing, not one to pass over.
  return Array.from(value)
}

function isOnlyNew({ onDuplicate }: CheckedPush): boolean {
  return onDuplicate === 'throw'
}
