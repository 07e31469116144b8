import { ApalisError, type Applied, BackendError } from '@apalis/core'

/** The primary result codes of SQLite that make a difference here. */
const CODES = {
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 6,
  SQLITE_NOMEM: 7,
  SQLITE_READONLY: 8,
  SQLITE_INTERRUPT: 9,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_PROTOCOL: 15,
  SQLITE_NOTADB: 26,
} as const

type Code = keyof typeof CODES

/** Those that may be over by the next call. */
const passing: ReadonlySet<Code> = new Set([
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
  'SQLITE_NOMEM',
  'SQLITE_READONLY',
  'SQLITE_INTERRUPT',
  'SQLITE_IOERR',
  'SQLITE_FULL',
  'SQLITE_CANTOPEN',
  'SQLITE_PROTOCOL',
])

/** SQLite's own code of an error, whichever client threw it; undefined: it is not SQLite's. */
export function sqliteCode(error: unknown): Code | 'other' | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown }
  // node:sqlite: the extended code as a number.
  if (typeof errcode === 'number') {
    return names.find((name) => CODES[name] === (errcode & 0xff)) ?? 'other'
  }
  // better-sqlite3: the extended code by its name.
  if (typeof code !== 'string' || !code.startsWith('SQLITE_')) return undefined
  return names.find((name) => code === name || code.startsWith(`${name}_`)) ?? 'other'
}

const names = Object.keys(CODES) as Code[]

/** Whether somebody else holds a lock: nothing has happened, and the same call may succeed in a moment. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED'
}

/** Whether `node:sqlite` refused to give a number that JavaScript has no room for: somebody wrote it by hand. */
export function isTooLargeNumber(error: unknown): boolean {
  return (
    error instanceof Error && (error as { readonly code?: unknown }).code === 'ERR_OUT_OF_RANGE'
  )
}

/**
 * Whatever was thrown while a call was made, as core knows it: a passing failure of SQLite may be tried again, anything
 * else would fail again.
 */
export function toBackendError(
  operation: string,
  error: unknown,
  { path, applied }: { readonly path: string; readonly applied: Applied },
): unknown {
  if (error instanceof ApalisError) return error
  const code = sqliteCode(error)
  const transient = code !== undefined && code !== 'other' && passing.has(code)
  const text = error instanceof Error ? error.message : String(error)
  const message = code === 'SQLITE_FULL' ? `${text} (is the disk full?)` : text
  return new BackendError(operation, `${path}: ${message}`, { transient, applied, cause: error })
}
