import type { Undecodable } from '../../backend/backend.ts'
import type { Codec } from '../../codec/codec.ts'
import { DecodeError, isDecodeError } from '../../errors/backend-errors.ts'
import { toStoredError } from '../../errors/stored-error.ts'
import { instant, knownKeys, OptionError, wholeNumber } from '../../internal/validate.ts'
import { copyMetadata, type Metadata } from '../../task/metadata.ts'
import type { Parts, Task } from '../../task/task.ts'
import { ATTEMPTS } from '../../task/task-builder.ts'
import { newTaskId, taskId } from '../../task/task-id.ts'
import type { Clock } from '../../time/clock.ts'
import { type Duration, durationMs } from '../../time/duration.ts'
import type { WorkerContext } from '../../service/worker-context.ts'

/** What a fetch is asked. */
export interface FetchRequest {
  /** How many tasks can start now. */
  readonly limit: number
  /** Aborts when the worker stops, or its lease is lost: what is under way may still be answered. */
  readonly signal: AbortSignal
  readonly worker: WorkerContext
}

/** One task as its source has it: its arguments, or the text that the backend's codec reads them from. */
export type FetchedTask<Args, Context> = FetchedParts<Context> &
  (
    | { readonly args: Args; readonly stored?: never }
    | { readonly stored: string; readonly args?: never }
  )

/** What else a source may say of a task. */
export interface FetchedParts<out Context> {
  /** @default a new ULID */
  readonly id?: string
  /** The number of this run. @default 1 */
  readonly attempt?: number
  /** The most runs there may be. @default 5 */
  readonly attempts?: number
  /** How long this run may take. @default none */
  readonly timeout?: Duration
  /** When it became due. @default now */
  readonly runAt?: Date
  readonly metadata?: Metadata
  /** What `settle` and handlers need of it: a receipt, say. */
  readonly context?: Context
}

/** One task or several; none: `undefined` or an empty list; never any more: `null`. */
export type Batch<Args, Context> =
  | FetchedTask<Args, Context>
  | readonly FetchedTask<Args, Context>[]
  | undefined
  | null

/** What a fetch may answer with. */
export type Fetched<Args, Context> =
  | Batch<Args, Context>
  | Promise<Batch<Args, Context>>
  | AsyncIterable<FetchedTask<Args, Context> | undefined>

const KNOWN = [
  'args',
  'stored',
  'id',
  'attempt',
  'attempts',
  'timeout',
  'runAt',
  'metadata',
  'context',
]

/** The task of what was fetched. Throws an `OptionError` for what can be none. */
export function taskOf<Args, Context>(
  fetched: FetchedTask<Args, Context>,
  codec: Codec<never, Args>,
  clock: Clock,
): Task<Args, Context> | Undecodable<Context> {
  knownKeys('fetched task', fetched, KNOWN)
  const parts = partsOf(fetched, clock)
  const { stored } = fetched
  if (stored === undefined) {
    if (!('args' in fetched))
      throw new OptionError('fetched task', fetched, 'a task with args or stored')
    return { args: fetched.args, parts }
  }
  try {
    return { args: codec.decode(stored), parts }
  } catch (error) {
    const message = `cannot decode the arguments of task ${parts.taskId}: ${toStoredError(error).message}`
    const issues = isDecodeError(error) ? error.issues : []
    return { parts, error: new DecodeError(message, { issues, cause: error }) }
  }
}

function partsOf<Context>(
  { id, attempt = 1, attempts = 5, timeout, runAt, metadata = {}, context }: FetchedParts<Context>,
  clock: Clock,
): Parts<Context> {
  return {
    taskId: id === undefined ? newTaskId(clock.now()) : taskId(id),
    attempt: {
      current: wholeNumber('fetched task.attempt', attempt, ATTEMPTS),
      max: wholeNumber('fetched task.attempts', attempts, ATTEMPTS),
    },
    status: 'running',
    runAt: runAt === undefined ? new Date(clock.now()) : instant('fetched task.runAt', runAt),
    metadata: copyMetadata('fetched task.metadata', metadata),
    timeoutMs:
      timeout === undefined ? undefined : durationMs('fetched task.timeout', timeout, { min: 1 }),
    // Where no source gives one there is none, and its type says so.
    context: context as Context,
  }
}
