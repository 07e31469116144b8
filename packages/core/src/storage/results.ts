import type { Codec } from '../codec/codec.ts'
import { DecodeError, isDecodeError } from '../errors/backend-errors.ts'
import { toStoredError } from '../errors/stored-error.ts'
import type { Status } from '../task/status.ts'
import type { TaskId } from '../task/task-id.ts'
import { encodeText } from './encoding.ts'
import { restoreError } from './restored-error.ts'
import type { Row } from './task-store.ts'

/** What has become of a task. apalis's `TaskResult`. */
export interface TaskResult<out Result = unknown> {
  readonly id: TaskId
  /** undefined: there is no such task (any more). */
  readonly status: Status | undefined
  /** What the handler gave back; absent while it has not, and where the queue keeps no results. */
  readonly result?: Result
  /** The last error of a failed or killed task; for a done one, why its stored result cannot be read (a `DecodeError`). */
  readonly error?: Error
}

/**
 * The text to store of a handler's result: undefined where the queue keeps none or the handler gave back undefined. Throws
 * an `EncodeError` for a result that cannot be encoded or is larger than `maxSize` bytes.
 */
export function resultEncoder<Result>(
  codec: Codec<Result, unknown> | undefined,
  maxSize: number,
): (result: Result) => string | undefined {
  if (codec === undefined) return () => undefined
  return (result) =>
    result === undefined ? undefined : encodeText(codec, result, 'the result', maxSize)
}

/** What a row says of its task. `row` undefined: there is none. */
export function resultOf<Result>(
  id: TaskId,
  row: Row | undefined,
  codec: Codec<never, Result> | undefined,
): TaskResult<Result> {
  if (row === undefined) return { id, status: undefined }
  const { status } = row
  if (status === 'failed' || status === 'killed') {
    const last = row.errors.at(-1)
    return last === undefined ? { id, status } : { id, status, error: restoreError(last) }
  }
  if (status !== 'done' || row.result === undefined || codec === undefined) return { id, status }
  try {
    return { id, status, result: codec.decode(row.result) }
  } catch (error) {
    return { id, status, error: unreadable(id, error) }
  }
}

function unreadable(id: TaskId, error: unknown): DecodeError {
  const issues = isDecodeError(error) ? error.issues : []
  return new DecodeError(
    `cannot decode the result of task ${id}: ${toStoredError(error).message}`,
    {
      issues,
      cause: error,
    },
  )
}
