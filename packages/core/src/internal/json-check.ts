import { pathText } from './path-text.ts'

const MOST_LEVELS = 1_000
/** What refers to the same object again and again is small in memory and has no end as text. */
const MOST_OBJECTS = 1_000_000
/** Objects and arrays of the copy under way. */
let objects = 0

/** JSON would change or lose a part of a value. */
export class NotJsonError extends Error {
  /** Where it stands: `user.tags[3]`; empty for the whole value. */
  readonly path: string
  /** What it is: `NaN`, `an instance of Date`. */
  readonly what: string
  /** The part itself. */
  readonly value: unknown

  constructor(path: string, what: string, value: unknown) {
    super(`JSON does not keep ${what}${path === '' ? '' : `, found at ${path}`}`)
    this.path = path
    this.what = what
    this.value = value
  }
}

/** What JSON would change of `value`, and where; undefined when it keeps all of it. Throws only what the value's own code throws. */
export function checkJson(value: unknown): NotJsonError | undefined {
  try {
    plainCopy(value)
    return undefined
  } catch (error) {
    if (error instanceof NotJsonError) return error
    throw error
  }
}

/**
 * A copy of `value` that consists of plain data and is sure to come back from JSON as it is. Each property is read once,
 * so what was checked is what is kept, whatever getters and proxies do. Properties that are undefined are left out.
 * Throws a {@link NotJsonError} for everything else that JSON would change.
 */
export function plainCopy(value: unknown): unknown {
  // A getter may copy something of its own meanwhile.
  const outer = objects
  objects = 0
  try {
    return copy(value, undefined, '')
  } finally {
    objects = outer
  }
}

/** The object or array that a part stands in. */
interface Frame {
  readonly value: object
  readonly key: PropertyKey
  readonly up: Frame | undefined
  readonly level: number
}

function copy(value: unknown, up: Frame | undefined, key: PropertyKey): unknown {
  if (isSafe(value)) return value
  if (typeof value !== 'object' || value === null) return fail(nameOf(value), value, up, key)
  const level = up === undefined ? 1 : up.level + 1
  for (let frame = up; frame !== undefined; frame = frame.up) {
    if (frame.value === value) return fail('a reference to what it stands in', value, up, key)
  }
  if (level > MOST_LEVELS) return fail(`more than ${MOST_LEVELS} levels`, value, up, key)
  objects += 1
  if (objects > MOST_OBJECTS) fail(`more than ${MOST_OBJECTS} objects and arrays`, value, up, key)
  refuseUnusual(value, up, key)
  const frame: Frame = { value, key, up, level }
  return Array.isArray(value) ? copyArray(value, frame) : copyObject(value, frame)
}

function copyObject(value: object, frame: Frame): object {
  const copied: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const property = (value as Record<string, unknown>)[key]
    if (property === undefined) continue
    const kept = isSafe(property) ? property : copy(property, frame, key)
    if (key === '__proto__') define(copied, key, kept)
    else copied[key] = kept
  }
  return copied
}

function copyArray(value: readonly unknown[], frame: Frame): unknown[] {
  const { length } = value
  const copied: unknown[] = []
  for (let index = 0; index < length; index += 1) {
    const item = value[index]
    if (item === undefined && !(index in value)) fail('a hole', item, frame, index)
    copied.push(isSafe(item) ? item : copy(item, frame, index))
  }
  // Only now, because an array with a hole would be told to have names.
  if (Object.keys(value).length !== length) {
    fail('an array with named properties', value, frame.up, frame.key)
  }
  return copied
}

/** Whether JSON keeps a value that is neither object nor array. */
function isSafe(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && (value !== 0 || 1 / value > 0)
    default:
      return value === null
  }
}

function refuseUnusual(value: object, up: Frame | undefined, key: PropertyKey): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  const usual = Array.isArray(value) ? isArrayPrototype(prototype) : isObjectPrototype(prototype)
  if (!usual) fail(instanceName(value), value, up, key)
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === 'function') {
    fail('an object with toJSON', value, up, key)
  }
  const symbols = Object.getOwnPropertySymbols(value)
  if (symbols.length === 0) return
  for (const symbol of symbols) {
    if (Object.prototype.propertyIsEnumerable.call(value, symbol)) {
      fail(`the key ${String(symbol)}`, value, up, key)
    }
  }
}

function isObjectPrototype(prototype: unknown): boolean {
  if (prototype === Object.prototype || prototype === null) return true
  // That of another realm, which test runners and vm contexts bring about.
  return (
    Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf')
  )
}

function isArrayPrototype(prototype: unknown): boolean {
  // The array prototype of every realm is itself an array; that of a subclass is not.
  return prototype === Array.prototype || Array.isArray(prototype)
}

function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

function nameOf(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return value === 0 ? '-0' : String(value)
    case 'undefined':
      return 'undefined'
    case 'bigint':
      return 'a BigInt'
    default:
      return `a ${typeof value}`
  }
}

function instanceName(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== ''
    ? `an instance of ${name}`
    : 'an object with a prototype of its own'
}

function fail(what: string, value: unknown, up: Frame | undefined, key: PropertyKey): never {
  const keys: PropertyKey[] = []
  let last = key
  for (let frame = up; frame !== undefined; frame = frame.up) {
    keys.push(last)
    last = frame.key
  }
  throw new NotJsonError(pathText(keys.reverse()), what, value)
}
