import type { Readable } from 'node:stream'
import { OptionError } from '../../internal/validate.ts'
import type { QueueContext } from '../../task/task.ts'
import type { Backend } from '../../backend/backend.ts'
import type { Metrics, TaskSink } from '../capabilities.ts'
import { checkPipeOptions, type PipeOptions } from './pipe-options.ts'
import { PipedBackend } from './piped-backend.ts'
import type { Items, Opener } from './source.ts'

/** What can be piped: an iterable, an async iterable, a stream of Node or of the web; or a function that gives one, anew each time. */
export type PipeSource<Item> =
  | AsyncIterable<Item>
  | Iterable<Item>
  | (() => AsyncIterable<Item> | Iterable<Item>)

/** What a pipe needs of the queue that it leads to. A `Queue` has it. */
export type PipeTarget<In, Args, Result> = Backend<Args, Result, QueueContext> &
  TaskSink<In> &
  Metrics

/** A source on its way to a queue. */
export interface Pipe<Item> {
  /** Leads it to `queue`, and gives a backend to run workers on: its tasks are those of the queue. */
  to<Args, Result>(
    queue: PipeTarget<Item, Args, Result>,
    options?: PipeOptions<Item>,
  ): PipedBackend<Item, Args, Result>
}

/**
 * Leads a source into a queue: `pipe(source).to(queue)` is a backend whose workers run what the source gives. Every item
 * is stored before the next ones are asked for, and only so far ahead of the workers as `ahead` says, so the source is
 * read at their pace. It is read while a worker runs. apalis's `Pipe`, `pipe_to`.
 */
export function pipe<Item>(source: PipeSource<Item>): Pipe<Item> {
  const open = opener(source)
  return {
    to: (queue, options = {}) => new PipedBackend(open, queue, checkPipeOptions(options)),
  }
}

/** Opens a function's source anew each time; another only once, where it can be read only once. */
function opener<Item>(source: PipeSource<Item>): Opener<Item> {
  if (typeof source === 'function') return { open: () => itemsOf(source()), anew: true }
  // Refused at once, and not when a worker runs.
  if (!isIterable(source)) throw notIterable(source)
  if (isNodeStream(source)) keepError(source)
  return { open: () => itemsOf(source), anew: false }
}

function itemsOf<Item>(source: AsyncIterable<Item> | Iterable<Item>): Items<Item> {
  if (!isIterable(source)) throw notIterable(source)
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  if (!isNodeStream(source)) return { iterator, destroy: undefined }
  keepError(source)
  // Its iterator ends it with the next item only, and that may never come.
  return { iterator, destroy: () => source.destroy() }
}

function isNodeStream(source: object): source is Readable {
  const { destroy, on, pipe: pipes } = source as Partial<Readable>
  return [destroy, on, pipes].every((method) => typeof method === 'function')
}

/** Nobody may read it by the time it fails, and then that would end the process. Its iterator throws it to whoever does. */
function keepError(stream: Readable): void {
  stream.on('error', () => {})
}

function isIterable(source: unknown): source is AsyncIterable<unknown> | Iterable<unknown> {
  const given = Object(source) as Partial<AsyncIterable<unknown> & Iterable<unknown>>
  return (
    typeof given[Symbol.asyncIterator] === 'function' ||
    typeof given[Symbol.iterator] === 'function'
  )
}

function notIterable(source: unknown): OptionError {
  return new OptionError('pipe source', source, 'an iterable, an async iterable or a stream')
}
