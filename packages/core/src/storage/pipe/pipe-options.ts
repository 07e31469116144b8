import { func, knownKeys, oneOf, wholeNumber } from '../../internal/validate.ts'

/** How a source is led into a queue. */
export interface PipeOptions<Item> {
  /** So many tasks of the queue may wait for a worker before the source is asked for more. From 1. @default 1000 */
  readonly ahead?: number
  /**
   * The id of an item's task, 1 to 255 bytes: what has it already is not stored again, so that a source may be read once
   * more from its beginning. `index` counts from 0 each time it is opened. @default new ULIDs
   */
  readonly id?: (item: Item, index: number) => string
  /**
   * When the source fails: the worker ends with a `WorkerError`, or goes on. A source that was given as a function is
   * then opened anew, after a pause; for another that is the end of it. @default 'end'
   */
  readonly onSourceError?: 'end' | 'continue'
  /**
   * When an item cannot be stored, however often it is tried: the worker ends with a `WorkerError`, once the others are
   * stored, or goes on without it and tells so with a `dropped` event. What may pass, a storage that is away, is tried
   * again in both cases: while the worker runs, and for 10 seconds after its stop. @default 'end'
   */
  readonly onSinkError?: 'end' | 'continue'
  /** When the source has ended: the workers stay for what else comes to the queue, or stop once all its tasks have ended. @default 'stay' */
  readonly atEnd?: 'stay' | 'stop'
}

/** {@link PipeOptions} that were checked. */
export interface CheckedPipe<Item> {
  readonly ahead: number
  readonly id: ((item: Item, index: number) => string) | undefined
  readonly onSourceError: 'end' | 'continue'
  readonly onSinkError: 'end' | 'continue'
  readonly atEnd: 'stay' | 'stop'
}

/** Checks what a pipe is given, and fills in the defaults. */
export function checkPipeOptions<Item>(options: PipeOptions<Item>): CheckedPipe<Item> {
  knownKeys('pipe', options, ['ahead', 'id', 'onSourceError', 'onSinkError', 'atEnd'])
  const { ahead = 1_000, id, onSourceError = 'end', onSinkError = 'end', atEnd = 'stay' } = options
  if (id !== undefined) func('pipe.id', id)
  return {
    ahead: wholeNumber('pipe.ahead', ahead, { min: 1 }),
    id,
    onSourceError: oneOf('pipe.onSourceError', onSourceError, ['end', 'continue']),
    onSinkError: oneOf('pipe.onSinkError', onSinkError, ['end', 'continue']),
    atEnd: oneOf('pipe.atEnd', atEnd, ['stay', 'stop']),
  }
}
