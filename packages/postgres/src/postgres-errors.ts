import { ApalisError, type Applied, BackendError } from '@apalis/core'
import { ConnectionOver, GivenUp, NotConnected } from './link.ts'

/** As the server writes its codes. Node's `EPIPE` has five letters as well; no class of the server's begins with an E. */
const SQL_STATE = /^[0-9A-DF-Z][0-9A-Z]{4}$/

/** The code that the server gave an error; undefined: it is not the server's. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' && SQL_STATE.test(code) ? code : undefined
}

/** Whether the server undid a transaction that was in another's way: nothing has happened, and the same may succeed now. */
export function isConflict(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/** Classes of codes that may be over by the next call: connections, conflicts, resources, states, operators, the system. */
const PASSING: ReadonlySet<string> = new Set(['08', '40', '53', '55', '57', '58'])
/** A standby that takes no writes: who was promoted takes them in a moment. */
const READ_ONLY = '25006'
/** The server's patience with a transaction, idle or not, was over; so is the connection. */
const TOO_LONG: ReadonlySet<string> = new Set(['25P03', '25P04'])

/** Whether the connection that the error came by is of no more use. */
export function brokeConnection(error: unknown): boolean {
  const state = sqlState(error)
  if (state === undefined) return true
  return state.startsWith('08') || state.startsWith('57P') || TOO_LONG.has(state)
}

/**
 * Whether anything may have happened. An error of a statement undoes it; one that ends the connection may have come after the
 * commit.
 */
function appliedBy(error: unknown): Applied {
  if (error instanceof GivenUp) return error.sent ? 'unknown' : 'no'
  if (error instanceof ConnectionOver) return 'no'
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown }
  if (syscall === 'connect' || code === 'ECONNREFUSED' || code === 'ENOTFOUND') return 'no'
  const state = sqlState(error)
  if (state === undefined || state.startsWith('08')) return 'unknown'
  return state.startsWith('57P') && state !== '57P03' ? 'unknown' : 'no'
}

/** Whatever was thrown while a call was made, as core knows it. */
export function toBackendError(operation: string, error: unknown): unknown {
  if (error instanceof ApalisError) return error
  if (error instanceof NotConnected) return toBackend(operation, error.cause, 'no')
  return toBackend(operation, error, appliedBy(error))
}

function toBackend(operation: string, error: unknown, applied: Applied): BackendError {
  const state = sqlState(error)
  const transient =
    state === undefined
      ? !(error instanceof ConnectionOver)
      : PASSING.has(state.slice(0, 2)) || state === READ_ONLY || TOO_LONG.has(state)
  const text = error instanceof Error ? error.message : String(error)
  const hint = HINTS[state ?? text]
  const message = hint === undefined ? text : `${text} (${hint})`
  return new BackendError(operation, message, {
    transient,
    applied,
    cause: error,
  })
}

/** By the code of the server, or by the text of an error that is not the server's. */
const HINTS: Readonly<Record<string, string>> = {
  'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string':
    'the server asks for a password, and none was given',
  '3F000': 'is this the database that the storage is connected to?',
  '42883':
    'is this the database that the storage is connected to, and has its schema been migrated?',
  '42501':
    'the role needs usage of the schema, and all rights on its tables and sequences; to make it, or bring it up to date, it has to own it, or may create it in the database',
  '25006': 'this server takes no writes',
}
