import { types } from 'node:util'

const MOST_CHARACTERS = 1_000
const MOST_OF_A_STRING = 100
const MOST_ENTRIES = 10
const MOST_LEVELS = 3

/** A short, JSON-like rendering of any value for people to read. Never throws. */
export function render(value: unknown): string {
  try {
    const rendered = renderAt(value, 0)
    return rendered.length > MOST_CHARACTERS ? `${rendered.slice(0, MOST_CHARACTERS)}…` : rendered
  } catch {
    // A hostile getter or proxy, or hardly any stack left.
    return 'a value that cannot be read'
  }
}

function renderAt(value: unknown, level: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(shortened(value))
    case 'bigint':
      return BigInt.asIntN(128, value) === value ? `${value}n` : 'a large bigint'
    case 'symbol':
      return shortened(String(value))
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : renderObject(value, level)
    default:
      return Object.is(value, -0) ? '-0' : String(value)
  }
}

function renderObject(value: object, level: number): string {
  if (Array.isArray(value)) {
    if (level === MOST_LEVELS) return '[…]'
    const items = value.slice(0, MOST_ENTRIES).map((item) => renderAt(item, level + 1))
    return `[${joined(items, value.length)}]`
  }
  if (types.isDate(value)) return String(value)
  if (types.isNativeError(value)) return shortened(`${value.name}: ${value.message}`)
  const name = className(value)
  if (level === MOST_LEVELS) return `${name}{…}`
  const keys = Object.keys(value)
  const entries = keys
    .slice(0, MOST_ENTRIES)
    .map((key) => `${JSON.stringify(shortened(key))}: ${renderProperty(value, key, level)}`)
  return `${name}{${joined(entries, keys.length)}}`
}

function renderProperty(value: object, key: string, level: number): string {
  try {
    return renderAt((value as Record<string, unknown>)[key], level + 1)
  } catch {
    // One property that cannot be read does not hide the others.
    return '…'
  }
}

function className(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return ''
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? `${shortened(name)} ` : ''
}

function joined(parts: readonly string[], of: number): string {
  return parts.length < of ? `${parts.join(', ')}, …` : parts.join(', ')
}

function shortened(text: string): string {
  return text.length > MOST_OF_A_STRING ? `${text.slice(0, MOST_OF_A_STRING)}…` : text
}
