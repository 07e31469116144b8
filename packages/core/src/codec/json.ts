import { DecodeError, EncodeError } from '../errors/backend-errors.ts'
import { NotJsonError, plainCopy } from '../internal/json-check.ts'
import type { Codec } from './codec.ts'
import { schemaCheck } from './schema-check.ts'
import type { SchemaInput, SchemaOutput, StandardSchemaV1 } from './standard-schema.ts'

/**
 * Values as JSON. Whatever JSON would change without a word is refused with an `EncodeError` that names the place: Date
 * and other class instances, Map, undefined in arrays, NaN, -0, BigInt, functions, symbols, circles, more than 1,000
 * levels or 1,000,000 objects. An object's property that is undefined is left out.
 *
 * Without a schema the types are trusted. With one (zod, valibot, arktype: any Standard Schema that is synchronous) the
 * schema's input is pushed, checked as the worker will read it, and stored as it is; at the claim the schema runs again,
 * and the handler gets its output, so that defaults and transforms apply once. apalis's `JsonCodec`.
 */
export function json<Value>(): Codec<Value, Value>
export function json<Schema extends StandardSchemaV1>(
  schema: Schema,
): Codec<SchemaInput<Schema>, SchemaOutput<Schema>>
export function json(...given: readonly [] | readonly [StandardSchemaV1]): Codec<unknown, unknown> {
  // By count, so that a schema which is undefined by mistake is refused and not taken for trust.
  return given.length === 0 ? { encode, decode } : checkedBy(given[0])
}

function checkedBy(schema: StandardSchemaV1): Codec<unknown, unknown> {
  const check = schemaCheck(schema)
  return {
    encode(value) {
      const text = encode(value)
      // Not the value itself: getters could give the schema something else than was stored.
      const { failure } = check(JSON.parse(text))
      if (failure === undefined) return text
      throw new EncodeError(`cannot encode the value: ${failure.message}`, failure)
    },
    decode(stored) {
      const checked = check(decode(stored))
      if (checked.failure === undefined) return checked.value
      throw new DecodeError(`cannot decode the value: ${checked.failure.message}`, checked.failure)
    },
  }
}

function encode(value: unknown): string {
  try {
    return JSON.stringify(plainCopy(value))
  } catch (cause) {
    if (cause instanceof NotJsonError) {
      const { path, what } = cause
      throw new EncodeError(
        `cannot encode ${path === '' ? 'the value' : path}: JSON does not keep ${what}`,
        { path },
      )
    }
    // A getter or proxy that throws, or text longer than a string can be.
    throw new EncodeError(`cannot encode the value: ${messageOf(cause)}`, { cause })
  }
}

function decode(stored: string): unknown {
  try {
    // Parsing would turn null into "null" and read it.
    if (typeof stored !== 'string') throw new TypeError(`${typeof stored} is no text`)
    return JSON.parse(stored)
  } catch (cause) {
    throw new DecodeError(`cannot decode the value: ${messageOf(cause)}`, { cause })
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'reading it failed'
}
