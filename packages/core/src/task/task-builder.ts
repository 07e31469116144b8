import {
  finiteNumber,
  instant,
  knownKeys,
  oneOf,
  OptionError,
  text,
  wholeNumber,
} from '../internal/validate.ts'
import { checkClock, type Clock, systemClock } from '../time/clock.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { copyMetadata, type Json, type Metadata } from './metadata.ts'
import type { Task } from './task.ts'
import { newTaskId, taskId } from './task-id.ts'

/** How to push a task: the twins of the steps of a {@link TaskBuilder}. */
export interface PushOptions {
  /** Unique within the queue. @default a new ULID */
  readonly id?: string
  /** The most runs there may be, 1 to 1,000,000. @default the queue's, which is 5 */
  readonly attempts?: number
  /** The longest a run may take, at least 1 ms. @default the queue's, which is none */
  readonly timeout?: Duration
  /** Not due before this long after the push. Not with `runAt`. @default 0 */
  readonly delay?: Duration
  /** Not due before this instant, by the storage's clock. Not with `delay`. @default at once */
  readonly runAt?: Date
  /** Larger first, -32,768 to 32,767. @default 0 */
  readonly priority?: number
  /** While this key is held, no other task of the queue gets it. @default none */
  readonly unique?: string | UniqueKey
  /** Stored, and travels with the task. @default none */
  readonly metadata?: Metadata
  /** When the id or the unique key is taken: give back the id of the task that has it, or throw a `DuplicateTaskError`. @default 'existing' */
  readonly onDuplicate?: 'existing' | 'throw'
}

/** A unique key with a time of its own. */
export interface UniqueKey {
  /** Text of 1 to 255 bytes. */
  readonly key: string
  /** Held until this long after the push, at least 1 ms. @default until the task is done, killed or removed */
  readonly for?: Duration
}

/** {@link PushOptions} that were checked, in numbers. */
export interface CheckedPush {
  readonly id?: string
  readonly attempts?: number
  readonly timeoutMs?: number
  readonly delayMs?: number
  /** In milliseconds since 1970. */
  readonly runAt?: number
  readonly priority?: number
  readonly uniqueKey?: string
  readonly uniqueForMs?: number
  /** A copy. */
  readonly metadata?: Metadata
  readonly onDuplicate?: 'existing' | 'throw'
}

const KNOWN: readonly string[] = [
  'id',
  'attempts',
  'timeout',
  'delay',
  'runAt',
  'priority',
  'unique',
  'metadata',
  'onDuplicate',
]
const NOTHING: CheckedPush = Object.freeze({})
interface Bounds {
  readonly min: number
  readonly max: number
}
/** How many attempts a task may have, whoever says so. */
export const ATTEMPTS: Bounds = { min: 1, max: 1_000_000 }
/** What a priority may be: what every storage can keep. */
export const PRIORITY: Bounds = { min: -32_768, max: 32_767 }
const DEFAULT_ATTEMPTS = 5

/** The options of a push, checked and in numbers. Throws an `OptionError` that names the option. */
export function checkPushOptions(options?: PushOptions): CheckedPush {
  if (options === undefined || isEmpty(options)) return NOTHING
  knownKeys('push', options, KNOWN)
  const { id, attempts, timeout, delay, runAt, priority, unique, metadata, onDuplicate } = options
  const checked: { -readonly [Option in keyof CheckedPush]: CheckedPush[Option] } = {}
  if (id !== undefined) checked.id = text('id', id)
  if (attempts !== undefined) checked.attempts = wholeNumber('attempts', attempts, ATTEMPTS)
  if (timeout !== undefined) checked.timeoutMs = durationMs('timeout', timeout, { min: 1 })
  if (delay !== undefined) checked.delayMs = durationMs('delay', delay)
  if (runAt !== undefined) {
    if (delay !== undefined) throw new OptionError('delay', delay, 'none where runAt is given')
    checked.runAt = instant('runAt', runAt).getTime()
  }
  if (priority !== undefined) checked.priority = wholeNumber('priority', priority, PRIORITY)
  if (unique !== undefined) Object.assign(checked, checkUnique(unique))
  if (metadata !== undefined) checked.metadata = copyMetadata('metadata', metadata)
  if (onDuplicate !== undefined) {
    checked.onDuplicate = oneOf('onDuplicate', onDuplicate, ['existing', 'throw'])
  }
  return checked
}

function isEmpty(options: object): boolean {
  for (const _option in options) return false
  return typeof options === 'object' && options !== null
}

function checkUnique(unique: string | UniqueKey): Pick<CheckedPush, 'uniqueKey' | 'uniqueForMs'> {
  if (typeof unique === 'string') return { uniqueKey: text('unique', unique) }
  knownKeys('unique', unique, ['key', 'for'])
  const { key, for: length } = unique
  return {
    uniqueKey: text('unique.key', key),
    ...(length !== undefined && { uniqueForMs: durationMs('unique.for', length, { min: 1 }) }),
  }
}

/**
 * Makes a task step by step, for `pushTask` and `pushAll`. Each step gives a new builder and throws an `OptionError` for
 * what cannot be. Of the steps that say when it is due, the last one counts. apalis's `TaskBuilder`.
 */
export class TaskBuilder<out Args> {
  readonly #args: Args
  readonly #clock: Clock
  #options: PushOptions = {}

  /** `clock`: for the new id and the estimate of `runAt`. */
  constructor(args: Args, options: { readonly clock?: Clock } = {}) {
    knownKeys('TaskBuilder', options, ['clock'])
    const { clock = systemClock } = options
    this.#args = args
    this.#clock = checkClock('TaskBuilder.clock', clock)
  }

  /** The id, 1 to 255 bytes. Without one each `build` makes a new ULID. */
  id(id: string): TaskBuilder<Args> {
    return this.#with({ id: text('id', id) })
  }

  /** The most runs there may be. */
  attempts(attempts: number): TaskBuilder<Args> {
    return this.#with({ attempts: wholeNumber('attempts', attempts, ATTEMPTS) })
  }

  /** The longest a run may take. */
  timeout(timeout: Duration): TaskBuilder<Args> {
    return this.#with({ timeout: durationMs('timeout', timeout, { min: 1 }) })
  }

  /** Not due before this instant. */
  runAt(runAt: Date): TaskBuilder<Args> {
    return this.#due({ runAt: new Date(instant('runAt', runAt)) })
  }

  /** Not due before this long after the push. */
  delay(delay: Duration): TaskBuilder<Args> {
    return this.#due({ delay: durationMs('delay', delay) })
  }

  /** Not due before this many seconds after the push. */
  runInSeconds(seconds: number): TaskBuilder<Args> {
    return this.#due({ delay: countMs('runInSeconds', seconds, 1_000) })
  }

  /** Not due before this many minutes after the push. */
  runInMinutes(minutes: number): TaskBuilder<Args> {
    return this.#due({ delay: countMs('runInMinutes', minutes, 60_000) })
  }

  /** Not due before this many hours after the push. */
  runInHours(hours: number): TaskBuilder<Args> {
    return this.#due({ delay: countMs('runInHours', hours, 3_600_000) })
  }

  /** Larger first. */
  priority(priority: number): TaskBuilder<Args> {
    return this.#with({ priority: wholeNumber('priority', priority, PRIORITY) })
  }

  /** While the key is held, no other task of the queue gets it; `for`: held that long after the push, whatever becomes of the task. */
  unique(key: string, options: Omit<UniqueKey, 'key'> = {}): TaskBuilder<Args> {
    knownKeys('unique', options, ['for'])
    const unique = { ...options, key }
    checkUnique(unique)
    return this.#with({ unique })
  }

  /** Adds one value to the metadata. */
  metadata(key: string, value: Json): TaskBuilder<Args> {
    text('metadata key', key)
    if (value === undefined) throw new OptionError(`metadata.${key}`, value, 'a JSON value')
    const metadata = { ...this.#options.metadata, [key]: value }
    return this.#with({ metadata: copyMetadata('metadata', metadata) })
  }

  /** What happens when the id or the unique key is taken. */
  onDuplicate(action: 'existing' | 'throw'): TaskBuilder<Args> {
    return this.#with({ onDuplicate: oneOf('onDuplicate', action, ['existing', 'throw']) })
  }

  /** The task. Its `context` is what it is to be pushed with, so that a delay counts from the push; its `runAt` is an estimate until then. */
  build(): Task<Args, PushOptions> {
    const { attempts = DEFAULT_ATTEMPTS, timeout, delay = 0, runAt, metadata = {} } = this.#options
    const now = this.#clock.now()
    const id = this.#options.id === undefined ? newTaskId(now) : taskId(this.#options.id)
    return {
      args: this.#args,
      parts: {
        taskId: id,
        attempt: { current: 0, max: attempts },
        status: 'pending',
        runAt: new Date(runAt ?? now + durationMs('delay', delay)),
        metadata,
        timeoutMs: timeout === undefined ? undefined : durationMs('timeout', timeout),
        context: { ...this.#options, id },
      },
    }
  }

  #with(options: PushOptions): TaskBuilder<Args> {
    const next = new TaskBuilder(this.#args, { clock: this.#clock })
    next.#options = { ...this.#options, ...options }
    return next
  }

  #due(due: Pick<PushOptions, 'delay' | 'runAt'>): TaskBuilder<Args> {
    const { delay: _delay, runAt: _runAt, ...others } = this.#options
    const next = new TaskBuilder(this.#args, { clock: this.#clock })
    next.#options = { ...others, ...due }
    return next
  }
}

function countMs(option: string, count: number, unitMs: number): number {
  return durationMs(option, finiteNumber(option, count, { min: 0 }) * unitMs)
}
