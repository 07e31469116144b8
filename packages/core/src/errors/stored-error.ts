import { types } from 'node:util'
import { hasCode } from '../internal/apalis-error.ts'
import { render } from '../internal/render.ts'
import { storableText } from '../internal/storable-text.ts'
import type { SchemaIssue } from './schema-issue.ts'

/** An error made storable: no NUL, no lone surrogates, bounded in size and in depth of causes. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly cause?: StoredError
}

const MESSAGE_BYTES = 8_192
const STACK_BYTES = 16_384
const NAME_BYTES = 255
const CODE_BYTES = 255
const MOST_CAUSES = 5
const MOST_ISSUES = 20
const NOTE_BYTES = 2_048

/**
 * Whatever was thrown, as a {@link StoredError}: message of at most 8 kB (with the issues of a schema, and the first of
 * several errors), stack 16 kB, name and `code` 255 bytes (codes of text only), five causes. What is not an Error is one
 * named `NonError` whose message shows the value. Never throws.
 */
export function toStoredError(thrown: unknown): StoredError {
  try {
    return convert(thrown, [])
  } catch {
    // Only when hardly any stack is left: everything that reads the value catches by itself.
    return { name: 'NonError', message: 'an error that cannot be read' }
  }
}

function convert(thrown: unknown, outer: readonly unknown[]): StoredError {
  if (!isError(thrown)) {
    const message = typeof thrown === 'string' ? thrown : render(thrown)
    return { name: 'NonError', message: storableText(message, MESSAGE_BYTES) }
  }
  const name = read(thrown, 'name')
  const message = read(thrown, 'message')
  const stack = read(thrown, 'stack')
  const code = read(thrown, 'code')
  const cause = read(thrown, 'cause')
  const text = typeof message === 'string' ? message : render(message)
  const chain = [...outer, thrown]
  return {
    name: typeof name === 'string' && name !== '' ? storableText(name, NAME_BYTES) : 'Error',
    message: withNote(text, note(thrown, text.slice(0, MESSAGE_BYTES))),
    ...(typeof stack === 'string' && { stack: storableText(shortStack(stack, text), STACK_BYTES) }),
    ...(typeof code === 'string' && { code: storableText(code, CODE_BYTES) }),
    ...(cause !== undefined &&
      cause !== null &&
      outer.length < MOST_CAUSES &&
      !chain.includes(cause) && { cause: convert(cause, chain) }),
  }
}

function isError(thrown: unknown): thrown is Error {
  try {
    // The second for errors of another realm.
    return thrown instanceof Error || types.isNativeError(thrown)
  } catch {
    // A revoked proxy, or one with a hostile trap.
    return false
  }
}

function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key]
  } catch {
    // A hostile getter: that property is as good as absent.
    return undefined
  }
}

/** The message with the note behind it, whole even when the message is cut. */
function withNote(message: string, added: string): string {
  if (added === '') return storableText(message, MESSAGE_BYTES)
  const end = storableText(message === '' ? added : ` (${added})`, NOTE_BYTES)
  return storableText(message, MESSAGE_BYTES - Buffer.byteLength(end)) + end
}

/** A stack begins with the message; a long one would push the frames out of what is kept. */
function shortStack(stack: string, message: string): string {
  if (message.length <= MESSAGE_BYTES) return stack
  // Looked at in two places only: both may be as large as memory allows.
  const at = stack.slice(0, STACK_BYTES).indexOf(message.slice(0, NAME_BYTES))
  const end = at + message.length
  if (at < 0 || !stack.startsWith(message.slice(-NAME_BYTES), end - NAME_BYTES)) return stack
  return `${stack.slice(0, at)}${message.slice(0, NOTE_BYTES)}…${stack.slice(end)}`
}

/** What the message does not say yet. */
function note(error: Error, message: string): string {
  try {
    if (hasIssues(error)) return issuesNote(error.issues, message)
    if (error instanceof AggregateError) return errorsNote(error.errors, message)
  } catch {
    // Hostile or malformed: the message has to do.
  }
  return ''
}

/** An `EncodeError` or `DecodeError`, told by its code: their file imports this one. */
function hasIssues(error: Error): error is Error & { readonly issues: readonly SchemaIssue[] } {
  return hasCode(error, 'ERR_ENCODE') || hasCode(error, 'ERR_DECODE')
}

function issuesNote(issues: readonly SchemaIssue[], message: string): string {
  const missing = issues.filter((issue) => !message.includes(issue.message))
  const shown = missing
    .slice(0, MOST_ISSUES)
    .map((issue) => (issue.path === '' ? issue.message : `${issue.path}: ${issue.message}`))
  if (missing.length > shown.length) shown.push(`and ${missing.length - shown.length} more`)
  return shown.join('; ')
}

function errorsNote(errors: readonly unknown[], message: string): string {
  const count = `${errors.length} error${errors.length === 1 ? '' : 's'}`
  if (errors.length === 0) return count
  const [first] = errors
  const text = isError(first) ? read(first, 'message') : undefined
  if (typeof text !== 'string') return `${count}, the first: ${render(first)}`
  const known = text !== '' && message.includes(text)
  return known ? count : `${count}, the first: ${String(read(first as Error, 'name'))}: ${text}`
}
