import { types } from 'node:util'
import { ApalisError } from './apalis-error.ts'

/** An option, argument or name that cannot be used; the message names it and shows the value. */
export class OptionError extends ApalisError {
  readonly option: string
  readonly value: unknown

  constructor(option: string, value: unknown, expected: string) {
    super('ERR_OPTION', `${option}: expected ${expected}, got ${show(value)}`)
    this.option = option
    this.value = value
  }
}

/** A short, safe rendering of any value for an error message. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
    case 'object':
      return value === null ? 'null' : showObject(value)
    case 'function':
      return 'a function'
    case 'bigint':
      return BigInt.asIntN(128, value) === value ? `${value}n` : 'a large bigint'
    default:
      return Object.is(value, -0) ? '-0' : String(value).slice(0, 60)
  }
}

function showObject(value: object): string {
  try {
    if (Array.isArray(value)) return 'an array'
    if (types.isDate(value))
      return Number.isNaN(value.getTime()) ? 'an invalid Date' : value.toISOString()
    const prototype: unknown = Object.getPrototypeOf(value)
    const name = (prototype as object | null)?.constructor?.name ?? 'null prototype'
    return `an object (${name.slice(0, 60)})`
  } catch {
    // A revoked proxy, or a class whose name is no text.
    return 'an object'
  }
}

/** A whole number from `min` to `max`. */
export function wholeNumber(
  option: string,
  value: unknown,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } = {},
): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw new OptionError(option, value, `a whole number ${bounds}`)
  }
  return value
}

/** A finite number from `min` to `max`. */
export function finiteNumber(
  option: string,
  value: unknown,
  {
    min = -Number.MAX_VALUE,
    max = Number.MAX_VALUE,
  }: { readonly min?: number; readonly max?: number } = {},
): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    throw new OptionError(option, value, `a number from ${min} to ${max}`)
  }
  return value
}

/** Text of 1 to `maxBytes` bytes in UTF-8, without NUL and without lone surrogates: what every storage can keep. */
export function text(option: string, value: unknown, maxBytes = 255): string {
  if (
    typeof value !== 'string' ||
    value.length === 0 ||
    value.length > maxBytes ||
    Buffer.byteLength(value) > maxBytes ||
    value.includes('\u0000') ||
    !value.isWellFormed()
  ) {
    throw new OptionError(
      option,
      value,
      `text of 1 to ${maxBytes} bytes without NUL or lone surrogates`,
    )
  }
  return value
}

/** A function. */
export function func<F extends (...args: never[]) => unknown>(option: string, value: F): F {
  if (typeof value !== 'function') throw new OptionError(option, value, 'a function')
  return value
}

/** One of the given words. */
export function oneOf<Word extends string>(
  option: string,
  value: unknown,
  words: readonly Word[],
): Word {
  const found = words.find((word) => word === value)
  if (found === undefined) throw new OptionError(option, value, `one of ${words.join(', ')}`)
  return found
}

/** A point in time in the years 1 to 9999, which every storage can keep. */
export function instant(option: string, value: unknown): Date {
  if (!types.isDate(value) || !(value.getTime() >= YEAR_1 && value.getTime() < YEAR_10000)) {
    throw new OptionError(option, value, 'a valid Date in the years 1 to 9999')
  }
  return value
}

const YEAR_1 = Date.parse('0001-01-01T00:00:00Z')
const YEAR_10000 = Date.parse('9999-12-31T23:59:59.999Z') + 1

/** An object, for those who take it apart before `knownKeys` sees it. */
export function anObject<Options extends object>(where: string, options: Options): Options {
  // Typed as an object, but JavaScript passes anything.
  const given: unknown = options
  if (typeof given !== 'object' || given === null) {
    throw new OptionError(where, given, 'an object with options')
  }
  return options
}

/** Refuses option names that nobody reads, so that a misspelled one is not silently ignored, and what is no object. */
export function knownKeys(where: string, options: object, known: readonly string[]): void {
  anObject(where, options)
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new OptionError(
        `${where}.${key}`,
        (options as Record<string, unknown>)[key],
        `one of the options ${known.join(', ')}`,
      )
    }
  }
}
