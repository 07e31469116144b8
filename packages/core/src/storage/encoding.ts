import type { Codec } from '../codec/codec.ts'
import { EncodeError, isEncodeError } from '../errors/backend-errors.ts'
import { toStoredError } from '../errors/stored-error.ts'

/** The text of `value`, which `what` names in errors. Throws an `EncodeError` for all that cannot be stored as it is. */
export function encodeText<In>(
  codec: Codec<In, unknown>,
  value: In,
  what: string,
  maxSize: number,
): string {
  const stored = encoded(codec, value, what)
  if (typeof stored !== 'string') {
    throw new EncodeError(`cannot encode ${what}: the codec answered with no text`)
  }
  // A character is at most three bytes.
  if (stored.length * 3 > maxSize) {
    const size = Buffer.byteLength(stored)
    if (size > maxSize) {
      throw new EncodeError(`cannot store ${what}: ${size} bytes are more than ${maxSize}`)
    }
  }
  // JSON has neither; a codec of one's own may.
  if (stored.includes('\u0000') || !stored.isWellFormed()) {
    throw new EncodeError(`cannot store ${what}: its text holds NUL or a lone surrogate`)
  }
  return stored
}

/** Not taken at its type's word: codecs come from outside. */
function encoded<In>(codec: Codec<In, unknown>, value: In, what: string): unknown {
  try {
    return codec.encode(value)
  } catch (error) {
    if (isEncodeError(error)) throw error
    throw new EncodeError(`cannot encode ${what}: ${toStoredError(error).message}`, {
      cause: error,
    })
  }
}
