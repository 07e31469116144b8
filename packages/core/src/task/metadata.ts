import { NotJsonError, plainCopy } from '../internal/json-check.ts'
import { OptionError, text } from '../internal/validate.ts'

/** Anything that JSON keeps as it is. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** Small named values that are stored and travel with a task: trace context, tenant. apalis's `Metadata`. */
export type Metadata = { readonly [key: string]: Json }

/** As much as the metadata of one task may take as JSON. */
const MOST_BYTES = 65_536

/**
 * A copy of metadata that nobody else can change. Throws an `OptionError` that names `option` when a key is not text of
 * 1 to 255 bytes, when JSON does not keep a value, and for more than 64 kB.
 */
export function copyMetadata(option: string, metadata: unknown): Metadata {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new OptionError(option, metadata, 'an object of named JSON values')
  }
  const copied = copyOf(option, metadata)
  for (const key of Object.keys(copied)) text(`${option} key`, key)
  const size = Buffer.byteLength(JSON.stringify(copied))
  if (size > MOST_BYTES) {
    throw new OptionError(option, metadata, `at most ${MOST_BYTES} bytes as JSON (not ${size})`)
  }
  return copied
}

function copyOf(option: string, metadata: object): Metadata {
  try {
    // What plainCopy makes of an object is an object of JSON values.
    return plainCopy(metadata) as Metadata
  } catch (error) {
    if (!(error instanceof NotJsonError)) throw error
    const { path, what, value } = error
    const join = path === '' || path.startsWith('[') ? '' : '.'
    throw new OptionError(`${option}${join}${path}`, value, `what JSON keeps, not ${what}`)
  }
}
