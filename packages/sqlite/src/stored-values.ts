import type { Metadata, StoredError, StoredFailure } from '@apalis/core'

/** The largest instant that a Date can show, in milliseconds since 1970. */
const LAST_INSTANT = 8_640_000_000_000_000

/** SQL: a number of any size or type as one that JavaScript has room for; what is none comes out too large. */
export function clamped(column: string): string {
  return `max(min(${column}, 9007199254740991), -9007199254740991)`
}

/** SQL: what can be an instant or a duration in milliseconds; null for anything else. */
export function milliseconds(column: string): string {
  return `CASE WHEN typeof(${column}) IN ('integer', 'real')
    AND ${column} BETWEEN -${LAST_INSTANT} AND ${LAST_INSTANT} THEN ${column} END`
}

/** Whether a value that was read is a whole number of at least `min`. */
export function isWhole(value: unknown, min: number): value is number {
  return (
    typeof value === 'number' && value >= min && value < Number.MAX_SAFE_INTEGER && value % 1 === 0
  )
}

/** Whether a value that was read is an instant. */
export function isInstant(value: unknown): value is number {
  return typeof value === 'number' && value >= -LAST_INSTANT && value <= LAST_INSTANT
}

/** Text that was read, as metadata; undefined: it is none. */
export function parseMetadata(text: string): Metadata | undefined {
  const value = parse(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? // What JSON.parse gives is JSON.
      (value as Metadata)
    : undefined
}

/** Text that was read, as failed runs; undefined: it is none. */
export function parseFailures(text: unknown): readonly StoredFailure[] | undefined {
  const value = typeof text === 'string' ? parse(text) : undefined
  return Array.isArray(value) && value.every(isFailure) ? value : undefined
}

/** Errors as they are stored, with one more: the last ten. */
export function addFailure(
  failures: readonly StoredFailure[],
  error: StoredError,
  run: { readonly at: number; readonly attempt: number },
): readonly StoredFailure[] {
  return [...failures.slice(1 - FAILURES_KEPT), { ...error, ...run }]
}

const FAILURES_KEPT = 10

function isFailure(value: unknown): value is StoredFailure {
  if (typeof value !== 'object' || value === null) return false
  const { name, message, at, attempt } = value as Partial<Record<keyof StoredFailure, unknown>>
  return (
    typeof name === 'string' &&
    typeof message === 'string' &&
    isInstant(at) &&
    typeof attempt === 'number'
  )
}

/** Text that was read, as names; none where it is no list of them. */
export function parseNames(text: unknown): readonly string[] {
  const value = typeof text === 'string' ? parse(text) : undefined
  return Array.isArray(value) && value.every((name) => typeof name === 'string') ? value : []
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
