import { isUtf8 } from 'node:buffer'
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { types } from 'node:util'
import { DecodeError, EncodeError } from '../errors/backend-errors.ts'
import { knownKeys, OptionError, text } from '../internal/validate.ts'
import type { Codec } from './codec.ts'

/** A key of 32 bytes: as bytes, as text in base64 or base64url, or as a `KeyObject`. */
export type EncryptionKey = Uint8Array | string | KeyObject

/** The keys of an {@link encrypted} codec. */
export interface EncryptionKeys {
  /** The id of the key that new values are encrypted with. */
  readonly current: string
  /** All keys that stored values may have been encrypted with, by their ids: text of 1 to 255 bytes. */
  readonly keys: Readonly<Record<string, EncryptionKey>>
  /**
   * Whether text that was never encrypted is read too: for the time in which a queue still holds tasks from before.
   * Whoever can write to the storage can then forge tasks. @default false
   */
  readonly acceptPlain?: boolean
}

const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * What `codec` stores, encrypted with AES-256-GCM, so that whoever reads the storage reads no arguments, and whoever
 * changes a text only makes it unreadable. The text is a JWE in compact form (`alg: dir`, `enc: A256GCM`), with the id of
 * its key in the header (`kid`): other programs read and write it with any JOSE library. To rotate, add a key, let every
 * worker know it, then make it current; drop the old one when no task has it any more.
 *
 * Decoding throws a `DecodeError` that says which key is missing or does not fit, and so kills that task alone. The text
 * is about a third longer than what it holds. One key serves for 2^32 values.
 */
export function encrypted<In, Out>(codec: Codec<In, Out>, keys: EncryptionKeys): Codec<In, Out> {
  knownKeys('encrypted', keys, ['current', 'keys', 'acceptPlain'])
  const { current, acceptPlain = false } = keys
  const known = keyObjects(keys.keys)
  const key = known.get(current)
  if (key === undefined) {
    throw new OptionError('encrypted.current', current, `one of the keys ${listed(known)}`)
  }
  if (typeof acceptPlain !== 'boolean') {
    throw new OptionError('encrypted.acceptPlain', acceptPlain, 'true or false')
  }
  const header = base64url(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid: current }))
  return {
    encode: (value) => seal(header, key, codec.encode(value)),
    decode: (stored) => {
      const sealed = parse(stored)
      if (sealed !== undefined) return codec.decode(open(sealed, known))
      if (acceptPlain) return codec.decode(stored)
      throw new DecodeError('cannot decrypt the value: it is not encrypted')
    },
  }
}

function seal(header: string, key: KeyObject, plain: string): string {
  // The bytes of a lone surrogate are those of another character.
  if (!plain.isWellFormed()) {
    throw new EncodeError('cannot encrypt the value: its text holds a lone surrogate')
  }
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(header))
  const sealed = base64url(Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]))
  // The second part, an encrypted key, is empty: the key is known to both sides.
  return `${header}..${base64url(iv)}.${sealed}.${base64url(cipher.getAuthTag())}`
}

/** The parts of a stored text. */
interface Sealed {
  readonly header: string
  readonly kid: string
  readonly iv: Buffer
  readonly sealed: Buffer
  readonly tag: Buffer
}

/** Undefined: no such text. */
function parse(stored: string): Sealed | undefined {
  const parts = typeof stored === 'string' ? stored.split('.') : []
  const [header = '', encryptedKey, iv = '', sealed = '', tag = ''] = parts
  if (parts.length !== 5 || encryptedKey !== '') return undefined
  const { alg, enc, kid } = headerOf(header)
  if (alg !== 'dir' || enc !== 'A256GCM' || typeof kid !== 'string') return undefined
  return { header, kid, iv: bytes(iv), sealed: bytes(sealed), tag: bytes(tag) }
}

function headerOf(header: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes(header).toString('utf8'))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    // Then it is no header, and the text is not ours.
    return {}
  }
}

function open(sealed: Sealed, keys: Map<string, KeyObject>): string {
  const plain = bytesOf(sealed, keys)
  // Another program may encrypt anything.
  if (isUtf8(plain)) return plain.toString('utf8')
  throw new DecodeError('cannot decrypt the value: what was encrypted is no text')
}

function bytesOf({ header, kid, iv, sealed, tag }: Sealed, keys: Map<string, KeyObject>): Buffer {
  const key = keys.get(kid)
  if (key === undefined) {
    throw new DecodeError(
      `cannot decrypt the value: it needs key "${kid}", and the keys given are ${listed(keys)}`,
    )
  }
  try {
    // A shorter tag would be easier to guess, and Node takes one.
    if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) throw new TypeError('it is damaged')
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(header)).setAuthTag(tag)
    return Buffer.concat([decipher.update(sealed), decipher.final()])
  } catch (cause) {
    throw new DecodeError(
      `cannot decrypt the value: key "${kid}" is another one than it was encrypted with, or the text was changed`,
      { cause },
    )
  }
}

function keyObjects(keys: unknown): Map<string, KeyObject> {
  if (typeof keys !== 'object' || keys === null) {
    throw new OptionError('encrypted.keys', keys, 'an object of keys by their ids')
  }
  return new Map(
    Object.entries(keys).map(([id, key]) => [
      text('encrypted.keys id', id),
      keyObject(`encrypted.keys.${id}`, key),
    ]),
  )
}

function keyObject(option: string, key: unknown): KeyObject {
  const raw = typeof key === 'string' ? bytes(key) : types.isUint8Array(key) ? key : undefined
  const object = raw?.length === KEY_BYTES ? createSecretKey(raw) : key
  if (types.isKeyObject(object) && object.symmetricKeySize === KEY_BYTES) return object
  // The value is a secret, or meant to be one: the error does not show it.
  throw new OptionError(option, undefined, `${KEY_BYTES} bytes, as such, as base64 or as KeyObject`)
}

function listed(keys: Map<string, unknown>): string {
  return Array.from(keys.keys(), (id) => `"${id}"`).join(', ')
}

function bytes(base64: string): Buffer {
  return Buffer.from(base64, 'base64')
}

function base64url(value: string | Buffer): string {
  return Buffer.from(value).toString('base64url')
}
