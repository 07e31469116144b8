import { DecodeError, EncodeError } from '../errors/backend-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { func, OptionError } from '../internal/validate.ts'
import type { Codec } from './codec.ts'
import { json } from './json.ts'

/** Makes the next version's stored value of the version's before. What it is given is JSON that was stored, and trusted as that. */
export type Upcaster = (stored: never) => unknown

/** The one property of what is stored whose name says that it is a version's, and of which. */
const VERSION = 'apalis:version'

const plain = json<unknown>()

/**
 * Values of the newest version, and stored ones of every version before: `upcasters[0]` makes version 2 of version 1, and
 * so on; the newest is one more than there are upcasters, and what it is `current` says, a codec for JSON. Text that has
 * no version, from before there were any, is version 1. So tasks that were pushed before a deploy run after it.
 *
 * Decoding throws a `DecodeError` for a version that is newer than the newest, and for an upcaster that throws. Let all
 * workers know a version before anybody pushes it.
 */
export function versioned<In, Out>(
  current: Codec<In, Out>,
  upcasters: readonly Upcaster[],
): Codec<In, Out> {
  if (!Array.isArray(upcasters)) {
    throw new OptionError('versioned upcasters', upcasters, 'an array of functions')
  }
  // A copy: what it is now decides what the versions are.
  const steps = upcasters.map((step, index) => func(`versioned upcasters[${index}]`, step))
  const newest = steps.length + 1
  const begin = `{"${VERSION}":${newest},"value":`
  return {
    encode: (value) => `${begin}${checkedJson(current.encode(value))}}`,
    decode(stored) {
      // As it was written: what \`current\` writes may say more than parsing keeps, numbers of many digits, say.
      if (typeof stored === 'string' && stored.startsWith(begin) && stored.endsWith('}')) {
        return current.decode(stored.slice(begin.length, -1))
      }
      const { version, value } = unwrap(plain.decode(stored))
      if (version > newest) {
        throw new DecodeError(
          `cannot decode the value: its version is ${version}, and the newest known is ${newest}`,
        )
      }
      return current.decode(
        version === newest ? JSON.stringify(value) : raised(steps, version, value),
      )
    },
  }
}

/** The text of the newest version. */
function raised(steps: readonly Upcaster[], version: number, value: unknown): string {
  let at = version
  try {
    let raised = value
    for (const step of steps.slice(version - 1)) {
      // What it takes is what was stored as its version: its author says so.
      raised = step(raised as never)
      if (isPromise(raised)) throw new TypeError('it answered with a promise')
      at += 1
    }
    at = steps.length
    return plain.encode(raised)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'its upcaster failed'
    throw new DecodeError(`cannot make version ${at + 1} of version ${at}: ${why}`, { cause })
  }
}

function checkedJson(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch (cause) {
    throw new EncodeError(
      'cannot encode the value: the codec within `versioned` has to write JSON; put `encrypted` around it',
      { cause },
    )
  }
}

function unwrap(stored: unknown): { readonly version: number; readonly value: unknown } {
  if (typeof stored !== 'object' || stored === null || !(VERSION in stored)) {
    return { version: 1, value: stored }
  }
  const version: unknown = stored[VERSION]
  if (typeof version === 'number' && Number.isSafeInteger(version) && version >= 1) {
    return { version, value: 'value' in stored ? stored.value : undefined }
  }
  throw new DecodeError(`cannot decode the value: ${JSON.stringify(version)} is no version`)
}
