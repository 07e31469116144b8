import { untilAborted } from '../internal/until-aborted.ts'
import { func, knownKeys, OptionError } from '../internal/validate.ts'
import type { Parts, Task } from '../task/task.ts'
import type { TaskStream } from './backend.ts'

/** Options of {@link taskStream}. */
export interface TaskStreamOptions {
  /** Gives back what was taken from the source and never started. @default it is forgotten */
  readonly release?: (unstarted: readonly { readonly parts: Parts }[]) => Promise<void>
}

/**
 * Makes a {@link TaskStream} of any async iterable of tasks, one at a time; `undefined` says that there is nothing right
 * now. A task fresh from the `TaskBuilder` is on its first run. Nothing is taken from the source while the worker has no capacity. When the worker stops, the source's `return()`
 * is called.
 */
export function taskStream<Args, Context>(
  source: AsyncIterable<Task<Args, Context> | undefined>,
  options: TaskStreamOptions = {},
): TaskStream<Args, Context> {
  // Typed as iterable, but JavaScript passes anything.
  const given: Partial<AsyncIterable<unknown>> | null | undefined = source
  if (typeof given?.[Symbol.asyncIterator] !== 'function') {
    throw new OptionError('taskStream source', source, 'an async iterable of tasks')
  }
  knownKeys('taskStream', options, ['release'])
  const { release } = options
  if (release !== undefined) func('taskStream.release', release)
  const iterator = source[Symbol.asyncIterator]()
  let pulling: Promise<IteratorResult<Task<Args, Context> | undefined>> | undefined
  let ended = false
  return {
    async next(_limit, signal) {
      if (ended) return undefined
      if (signal.aborted) return []
      // A pull that an earlier call did not wait for is still ours.
      pulling ??= iterator.next()
      let pulled: Awaited<typeof pulling> | undefined
      try {
        pulled = await untilAborted(pulling, signal)
      } catch (error) {
        pulling = undefined
        throw error
      }
      if (pulled === undefined) return []
      pulling = undefined
      if (pulled.done === true) {
        ended = true
        return undefined
      }
      return pulled.value === undefined ? [] : [begun(pulled.value)]
    },
    async close(unstarted) {
      ended = true
      if (unstarted.length > 0) await release?.(unstarted)
      // Not awaited: a source that waits for its next item answers when that comes, and that may be never.
      void giveBackLast(pulling, release)
      void iterator.return?.()?.then(undefined, () => undefined)
    },
  }
}

/** A task that its source has not counted is on its first run. */
function begun<Args, Context>(task: Task<Args, Context>): Task<Args, Context> {
  const { args, parts } = task
  if (parts.attempt.current > 0) return task
  return {
    args,
    parts: { ...parts, status: 'running', attempt: { current: 1, max: parts.attempt.max } },
  }
}

async function giveBackLast(
  pulling: Promise<IteratorResult<{ readonly parts: Parts } | undefined>> | undefined,
  release: TaskStreamOptions['release'],
): Promise<void> {
  try {
    const last = await pulling
    if (last?.done !== true && last?.value !== undefined) await release?.([last.value])
  } catch {
    // The worker is gone: nobody is left to be told of a source that fails now.
  }
}
