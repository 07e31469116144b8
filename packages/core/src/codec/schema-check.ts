import type { SchemaIssue } from '../errors/schema-issue.ts'
import { OptionError } from '../internal/validate.ts'
import { pathText } from '../internal/path-text.ts'
import type { StandardIssue, StandardSchemaV1 } from './standard-schema.ts'

/** What a schema made of a value: its output, or what is wrong. */
export type Checked =
  | { readonly value: unknown; readonly failure?: undefined }
  | { readonly failure: SchemaFailure }

/** Why a value did not pass. */
export interface SchemaFailure {
  readonly message: string
  readonly issues: readonly SchemaIssue[]
  readonly cause?: unknown
}

const MOST_ISSUES_SHOWN = 10

/** A function that runs `schema`. Throws an `OptionError` for what is no Standard Schema; the function never throws. */
export function schemaCheck(schema: StandardSchemaV1): (value: unknown) => Checked {
  const standard = standardOf(schema)
  const name = `the schema of ${String(standard.vendor)}`
  return (value) => {
    try {
      const result = standard.validate(value)
      if (isThenable(result)) {
        // Nobody waits for it, so its failure must not count as unhandled.
        result.then(undefined, () => undefined)
        return failure(`${name} validates asynchronously; use a synchronous one`)
      }
      return result.issues === undefined ? result : mismatch(result.issues)
    } catch (cause) {
      return { failure: { message: `${name} failed`, issues: [], cause } }
    }
  }
}

function standardOf(schema: StandardSchemaV1): StandardSchemaV1['~standard'] {
  // Typed as a schema, but JavaScript passes anything; some vendors' schemas are functions.
  const given = schema as Partial<StandardSchemaV1> | null | undefined
  const standard: Partial<StandardSchemaV1['~standard']> | undefined = given?.['~standard']
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new OptionError('schema', schema, 'a Standard Schema (https://standardschema.dev)')
  }
  return standard as StandardSchemaV1['~standard']
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as { readonly then?: unknown } | null)?.then === 'function'
}

function failure(message: string): Checked {
  return { failure: { message, issues: [] } }
}

function mismatch(found: readonly StandardIssue[]): Checked {
  const issues = found.map(({ message, path = [] }) => ({
    message,
    path: pathText(path.map((step) => (typeof step === 'object' ? step.key : step))),
  }))
  const shown = issues
    .slice(0, MOST_ISSUES_SHOWN)
    .map(({ message, path }) => (path === '' ? message : `${path}: ${message}`))
  if (issues.length > shown.length) shown.push(`and ${issues.length - shown.length} more`)
  return { failure: { message: `it does not match its schema: ${shown.join('; ')}`, issues } }
}
