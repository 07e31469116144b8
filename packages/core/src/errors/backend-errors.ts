import { ApalisError, hasCode } from '../internal/apalis-error.ts'
import type { SchemaIssue } from './schema-issue.ts'
import { toStoredError } from './stored-error.ts'

/** What a failed call to a backend leaves behind: surely nothing, or nobody knows. */
export type Applied = 'no' | 'unknown'

/** A storage or other backend failed. It never ends a worker by itself. apalis's `Backend::Error`. */
export class BackendError extends ApalisError {
  /** What was being done: `claim`, `settle`, `beat`, … */
  readonly operation: string
  /** Whether the same call may succeed later. */
  readonly transient: boolean
  readonly applied: Applied

  constructor(
    operation: string,
    message: string,
    {
      transient = true,
      applied = 'unknown',
      ...options
    }: ErrorOptions & { readonly transient?: boolean; readonly applied?: Applied } = {},
  ) {
    super('ERR_BACKEND', `cannot ${operation}: ${message}`, options)
    this.operation = operation
    this.transient = transient
    this.applied = applied
  }

  /** `error` as a {@link BackendError} of `operation`: itself, or wrapped as transient with unknown effect. */
  static from(operation: string, error: unknown): BackendError {
    if (isBackendError(error)) return error
    return new BackendError(operation, toStoredError(error).message, {
      cause: error,
    })
  }
}

/** A push whose commit is unknown. Pushing again with the same ids stores nothing twice. */
export class UnknownOutcomeError extends ApalisError {
  readonly ids: readonly string[]

  constructor(ids: readonly string[], options?: ErrorOptions) {
    super(
      'ERR_UNKNOWN_OUTCOME',
      `nobody knows whether the push of ${ids.length === 1 ? `task ${ids[0]}` : `${ids.length} tasks`} was stored; push again with the same ids`,
      options,
    )
    this.ids = ids
  }
}

/** A value cannot be stored as it is. `path` says where in it, `issues` what the schema found. */
export class EncodeError extends ApalisError {
  readonly path: string
  readonly issues: readonly SchemaIssue[]

  constructor(
    message: string,
    {
      path = '',
      issues = [],
      ...options
    }: ErrorOptions & { readonly path?: string; readonly issues?: readonly SchemaIssue[] } = {},
  ) {
    super('ERR_ENCODE', message, options)
    this.path = path
    this.issues = issues
  }
}

/** Stored arguments or results that cannot be read, or that fail their schema. */
export class DecodeError extends ApalisError {
  readonly issues: readonly SchemaIssue[]

  constructor(
    message: string,
    { issues = [], ...options }: ErrorOptions & { readonly issues?: readonly SchemaIssue[] } = {},
  ) {
    super('ERR_DECODE', message, options)
    this.issues = issues
  }
}

/** The id or unique key of a push with `onDuplicate: 'throw'`, or of a `retry`, is held by another task. */
export class DuplicateTaskError extends ApalisError {
  /** The id of the task that holds it. */
  readonly existing: string

  constructor(message: string, existing: string) {
    super('ERR_TASK_DUPLICATE', message)
    this.existing = existing
  }
}

/** Something was asked of a task that its status does not allow. */
export class TaskStateError extends ApalisError {
  readonly taskId: string
  readonly status: string

  constructor(operation: string, id: string, status: string) {
    super('ERR_TASK_STATE', `cannot ${operation} task ${id}: it is ${status}`)
    this.taskId = id
    this.status = status
  }
}

/** The task that somebody waits for was removed, or never was. */
export class TaskGoneError extends ApalisError {
  readonly taskId: string

  constructor(id: string) {
    super('ERR_TASK_GONE', `task ${id} is not stored (any more)`)
    this.taskId = id
  }
}

/** Whether `error` is a {@link BackendError}. */
export function isBackendError(error: unknown): error is BackendError {
  return hasCode(error, 'ERR_BACKEND')
}

/** Whether `error` is an {@link UnknownOutcomeError}. */
export function isUnknownOutcomeError(error: unknown): error is UnknownOutcomeError {
  return hasCode(error, 'ERR_UNKNOWN_OUTCOME')
}

/** Whether `error` is an {@link EncodeError}. */
export function isEncodeError(error: unknown): error is EncodeError {
  return hasCode(error, 'ERR_ENCODE')
}

/** Whether `error` is a {@link DecodeError}. */
export function isDecodeError(error: unknown): error is DecodeError {
  return hasCode(error, 'ERR_DECODE')
}

/** Whether `error` is a {@link DuplicateTaskError}. */
export function isDuplicateTaskError(error: unknown): error is DuplicateTaskError {
  return hasCode(error, 'ERR_TASK_DUPLICATE')
}

/** Whether `error` is a {@link TaskGoneError}. */
export function isTaskGoneError(error: unknown): error is TaskGoneError {
  return hasCode(error, 'ERR_TASK_GONE')
}

/** Whether `error` is a {@link TaskStateError}. */
export function isTaskStateError(error: unknown): error is TaskStateError {
  return hasCode(error, 'ERR_TASK_STATE')
}
