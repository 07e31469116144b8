import type { Codec } from '../codec/codec.ts'
import { func, knownKeys, OptionError, wholeNumber } from '../internal/validate.ts'
import { type Backoff, exponential } from '../task/backoff.ts'
import { ATTEMPTS, PRIORITY } from '../task/task-builder.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import type { Enrich } from './enrichment.ts'

/** What a queue's tasks are and how they run. */
export interface QueueOptions<in out In, in out Args, in out Result> {
  /** How arguments are stored: what is pushed, and what a handler gets. @default json() */
  readonly args?: Codec<In, Args>
  /** How results are stored. Absent: they are not. */
  readonly result?: Codec<Result, Result>
  /** The most runs of a task there may be, 1 to 1,000,000. @default 5 */
  readonly attempts?: number
  /** How long a failed attempt waits. @default exponential('1s'): full jitter, at most 1 h */
  readonly backoff?: Backoff
  /** From -32,768 to 32,767; larger runs first. @default 0 */
  readonly priority?: number
  /** How long a run may take. @default none */
  readonly timeout?: Duration
  /** The most bytes that the arguments of a task may have, and its result. @default 1_048_576 */
  readonly maxSize?: number
  /** How often in a row a task may be sent back without using an attempt, by a handler or layer. @default 1000 */
  readonly maxReleases?: number
  /** The rescue at which a task whose workers die is killed. At least 3. @default 3 */
  readonly maxRescues?: number
  /** Metadata for every push, below what the push itself gives and above what the storage's `enrich` does. */
  readonly enrich?: Enrich
}

/** Checked {@link QueueOptions}. */
export interface QueueSettings<In, Args, Result> {
  readonly args: Codec<In, Args> | undefined
  readonly result: Codec<Result, Result> | undefined
  readonly attempts: number
  readonly backoff: Backoff
  readonly priority: number
  readonly timeoutMs: number | undefined
  readonly maxSize: number
  readonly maxReleases: number
  readonly maxRescues: number
  readonly enrich: Enrich | undefined
}

/** So much text every storage can keep in one piece. */
const LARGEST_SIZE = 2 ** 28

const KNOWN = [
  'args',
  'result',
  'attempts',
  'backoff',
  'priority',
  'timeout',
  'maxSize',
  'maxReleases',
  'maxRescues',
  'enrich',
] as const satisfies readonly (keyof QueueOptions<unknown, unknown, unknown>)[]

/** Checks what a queue is given and fills in the defaults. */
export function checkQueueOptions<In, Args, Result>(
  options: QueueOptions<In, Args, Result>,
): QueueSettings<In, Args, Result> {
  knownKeys('queue', options, KNOWN)
  const {
    args,
    result,
    attempts = 5,
    backoff = exponential('1s'),
    priority = 0,
    timeout,
    maxSize = 1_048_576,
    maxReleases = 1000,
    maxRescues = 3,
    enrich,
  } = options
  if (args !== undefined) checkCodec('queue.args', args)
  if (result !== undefined) checkCodec('queue.result', result)
  if (enrich !== undefined) func('queue.enrich', enrich)
  return {
    args,
    result,
    attempts: wholeNumber('queue.attempts', attempts, ATTEMPTS),
    backoff: func('queue.backoff', backoff),
    priority: wholeNumber('queue.priority', priority, PRIORITY),
    timeoutMs: timeout === undefined ? undefined : durationMs('queue.timeout', timeout, { min: 1 }),
    maxSize: wholeNumber('queue.maxSize', maxSize, { min: 1, max: LARGEST_SIZE }),
    maxReleases: wholeNumber('queue.maxReleases', maxReleases, { min: 1 }),
    maxRescues: checkRescues(maxRescues),
    enrich,
  }
}

function checkRescues(maxRescues: unknown): number {
  const most = 2 ** 31 - 1
  if (typeof maxRescues === 'number' && Number.isSafeInteger(maxRescues)) {
    if (maxRescues >= 3 && maxRescues <= most) return maxRescues
  }
  throw new OptionError(
    'queue.maxRescues',
    maxRescues,
    `a whole number from 3 to ${most} (a task is killed only after a process died that ran it alone, and it runs alone from its second rescue on)`,
  )
}

/** Refuses what is no codec. */
function checkCodec(option: string, value: unknown): void {
  const codec = value as Partial<Record<'encode' | 'decode', unknown>> | null
  if (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function') {
    throw new OptionError(option, value, 'a codec, such as json(schema)')
  }
}
