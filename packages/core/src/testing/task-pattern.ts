import { isDeepStrictEqual, types } from 'node:util'
import { pathText } from '../internal/path-text.ts'
import { instant, knownKeys, oneOf, text, wholeNumber } from '../internal/validate.ts'
import { copyMetadata, type Metadata } from '../task/metadata.ts'
import { type Status, statuses } from '../task/status.ts'
import { PRIORITY } from '../task/task-builder.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import type { Listed } from './task-pages.ts'

/** Parts of a value: of an object some properties, of each of them parts; an array has all of its items, of each parts. */
export type PartOf<Value> = Value extends Whole
  ? Value
  : Value extends readonly unknown[]
    ? { readonly [Index in keyof Value]: PartOf<Value[Index]> }
    : Value extends object
      ? { readonly [Key in keyof Value]?: PartOf<Value[Key]> }
      : Value

/** What is compared as one. */
type Whole =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | Date
  | Uint8Array
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>

/** What a task should be like, in the words of the push; what is absent does not matter. */
export interface TaskPattern<out Args = unknown> {
  readonly id?: string
  /** Parts of the arguments as a handler gets them. */
  readonly args?: PartOf<Args>
  /** `failed`: it has failed and runs again. */
  readonly status?: Status
  readonly priority?: number
  readonly runAt?: Date
  /** How long after its push it is due: its `runAt` less the time of the push. */
  readonly delay?: Duration
  /** The unique key that it has. */
  readonly unique?: string
  /** Parts of the metadata. */
  readonly metadata?: Metadata
  /** How often it ran so far. */
  readonly attempt?: number
  /** The most runs there may be. */
  readonly attempts?: number
  readonly timeout?: Duration
}

/** One value of a pattern beside that of a task. */
export interface Finding {
  /** Where: `args.to`, `priority`. */
  readonly path: string
  readonly same: boolean
  readonly expected: unknown
  readonly actual: unknown
}

/** What is deeper is compared as one: it may be a circle. */
const MOST_LEVELS = 100

/** A field of a pattern: what may be looked for, and where it is in a task. */
interface Field {
  readonly check: (value: unknown) => unknown
  readonly of: (task: Listed<unknown>) => unknown
  /** What a finding calls it. @default its name */
  readonly label?: string
}

const FIELDS: { readonly [Name in keyof Required<TaskPattern>]: Field } = {
  id: { check: (value) => text('pattern.id', value), of: ({ parts }) => parts.taskId },
  args: {
    check: (value) => value,
    of: (task) => ('error' in task ? task.error : task.args),
  },
  status: {
    check: (value) => oneOf('pattern.status', value, statuses),
    of: ({ parts }) => parts.status,
  },
  priority: {
    check: (value) => wholeNumber('pattern.priority', value, PRIORITY),
    of: ({ parts }) => parts.context.priority,
  },
  runAt: { check: (value) => instant('pattern.runAt', value), of: ({ parts }) => parts.runAt },
  delay: {
    label: 'delay in ms',
    check: (value) => durationMs('pattern.delay', value),
    of: ({ parts }) => parts.runAt.getTime() - parts.context.createdAt.getTime(),
  },
  unique: {
    check: (value) => text('pattern.unique', value),
    of: ({ parts }) => parts.context.uniqueKey,
  },
  metadata: {
    check: (value) => copyMetadata('pattern.metadata', value),
    of: ({ parts }) => parts.metadata,
  },
  attempt: {
    check: (value) => wholeNumber('pattern.attempt', value),
    of: ({ parts }) => parts.attempt.current,
  },
  attempts: {
    check: (value) => wholeNumber('pattern.attempts', value, { min: 1 }),
    of: ({ parts }) => parts.attempt.max,
  },
  timeout: {
    label: 'timeout in ms',
    check: (value) => durationMs('pattern.timeout', value, { min: 1 }),
    of: ({ parts }) => parts.timeoutMs,
  },
}

/** A {@link TaskPattern} whose values were checked. */
export class CheckedPattern {
  readonly #wanted: readonly {
    readonly name: string
    readonly value: unknown
    readonly field: Field
  }[]

  /** Throws an `OptionError` that names what no task can be like. */
  constructor(pattern: TaskPattern) {
    knownKeys('pattern', pattern, Object.keys(FIELDS))
    this.#wanted = Object.entries(FIELDS).flatMap(([name, field]) => {
      const given = (pattern as Readonly<Record<string, unknown>>)[name]
      return given === undefined ? [] : [{ name, value: field.check(given), field }]
    })
  }

  /** Every value of the pattern beside the task's; the task is like it when all are the same. */
  compare(task: Listed<unknown>): Finding[] {
    return this.#wanted.flatMap(({ name, value, field }) =>
      compareAt([field.label ?? name], value, field.of(task)),
    )
  }

  /** What was looked for, and what the task has in its place. */
  sides(task?: Listed<unknown>): { readonly expected: object; readonly actual?: object } {
    const expected = Object.fromEntries(this.#wanted.map(({ name, value }) => [name, value]))
    if (task === undefined) return { expected }
    const actual = Object.fromEntries(this.#wanted.map(({ name, field }) => [name, field.of(task)]))
    return { expected, actual }
  }

  /** Whether the task is the one that the pattern names by its id or unique key, whatever else differs. */
  names(task: Listed<unknown>): boolean {
    return this.#wanted.some(
      ({ name, value, field }) => (name === 'id' || name === 'unique') && field.of(task) === value,
    )
  }
}

function compareAt(keys: readonly PropertyKey[], expected: unknown, actual: unknown): Finding[] {
  const within = partsOf(expected, actual, keys.length)
  if (within === undefined) {
    const [label = '', ...rest] = keys
    const path = rest.length === 0 ? String(label) : pathText(keys)
    return [{ path, same: isDeepStrictEqual(actual, expected), expected, actual }]
  }
  return within.flatMap(([key, part, other]) => compareAt([...keys, key], part, other))
}

/** The parts that are compared one by one; undefined where the two are compared as one. */
function partsOf(
  expected: unknown,
  actual: unknown,
  level: number,
): [PropertyKey, unknown, unknown][] | undefined {
  if (level > MOST_LEVELS) return undefined
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return undefined
    return Array.from(expected, (part: unknown, index) => [index, part, actual[index] as unknown])
  }
  // A schema may make objects of any class; the parts to look for are given as a plain one.
  if (!isPlain(expected) || typeof actual !== 'object' || actual === null) return undefined
  if (Array.isArray(actual) || types.isNativeError(actual)) return undefined
  return Object.entries(expected).map(([key, part]) => [key, part, Reflect.get(actual, key)])
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
