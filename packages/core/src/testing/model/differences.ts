import { render } from '../../internal/render.ts'

/** What a storage's own clock decides: it may run ahead of the model's. */
const timed: readonly string[] = [
  'createdAt',
  'runAt',
  'lockedAt',
  'finishedAt',
  'at',
  'startedAt',
  'lastBeatAt',
  'dueIn',
  'rescueIn',
  'oldestDueMs',
]

/** What an answer has only where the contract says so. Whatever else a store adds is its own business. */
const optional: readonly string[] = [
  'status',
  'timeoutMs',
  'uniqueKey',
  'metadata',
  'lockedBy',
  'lockedAt',
  'finishedAt',
  'result',
  'dueIn',
  'rescueIn',
  'oldestDueMs',
  'holder',
]

/** What was given to the store, and comes back as it was. */
const verbatim = /(?:^|\.)(?:metadata|errors)(?:$|[.[])/

/**
 * Where two answers differ, a line each: what was expected and what came. A property that is undefined is none, one that
 * the contract does not know is nobody's concern, and times may differ by `drift` milliseconds.
 */
export function differences(expected: unknown, actual: unknown, drift: number): readonly string[] {
  return [...differ('', expected, actual, drift)]
}

function* differ(
  path: string,
  expected: unknown,
  actual: unknown,
  drift: number,
): Iterable<string> {
  if (Object.is(expected, actual) || isNear(path, expected, actual, drift)) return
  const [one, other] = [entriesOf(expected), entriesOf(actual)]
  if (
    one === undefined ||
    other === undefined ||
    Array.isArray(expected) !== Array.isArray(actual)
  ) {
    yield `${path === '' ? '' : `${path}: `}expected ${show(expected)}, got ${show(actual)}`
    return
  }
  for (const key of new Set([...one.keys(), ...other.keys()])) {
    if (
      !Array.isArray(expected) &&
      !one.has(key) &&
      !optional.includes(key) &&
      !verbatim.test(path)
    )
      continue
    const inner = Array.isArray(expected) ? `${path}[${key}]` : `${path}${path && '.'}${key}`
    yield* differ(inner, one.get(key), other.get(key), drift)
  }
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : render(value)
}

function isNear(path: string, expected: unknown, actual: unknown, drift: number): boolean {
  const key = path.slice(path.lastIndexOf('.') + 1)
  if (typeof expected !== 'number' || typeof actual !== 'number') return false
  return timed.includes(key) && Math.abs(actual - expected) <= drift
}

/** The properties of an object or the items of an array; undefined: it is neither. */
function entriesOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value))
    : undefined
}
