import { isUtf8 } from 'node:buffer'

/**
 * The path of a file below the folder, byte for byte: one character a byte, names separated by '/'. File names need not be
 * text, and so neither lose anything nor meet each other; and the order of these strings is the order of the bytes.
 */
export type BytePath = string

/** A path as it stands in a task and in the manifest. */
export interface FileName {
  /** Where the name is no UTF-8, what is wrong in it is replaced by U+FFFD. */
  readonly path: string
  /** The exact bytes, only where the name is no UTF-8. */
  readonly pathBase64?: string
}

/** `path` as text that can be stored. */
export function nameOf(path: BytePath): FileName {
  const bytes = toBytes(path)
  const name = { path: bytes.toString('utf8') }
  return isUtf8(bytes) ? name : { ...name, pathBase64: bytes.toString('base64') }
}

/** The bytes that `name` stands for. */
export function bytesOf({ path, pathBase64 }: FileName): Buffer {
  return pathBase64 === undefined ? Buffer.from(path) : Buffer.from(pathBase64, 'base64')
}

/** The bytes of a {@link BytePath}, which is what the file system wants. */
export function toBytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1')
}

/** The {@link BytePath} of a path in text. */
export function toBytePath(path: string): BytePath {
  return Buffer.from(path).toString('latin1')
}

/** `folder`, then `path` below it. */
export function below(folder: Buffer, path: Buffer): Buffer {
  return Buffer.concat([folder, SEPARATOR, path])
}

const SEPARATOR = Buffer.from('/')

/** `name` for one line of a terminal: whatever would break the line, or move the cursor, is written as its code. */
export function shown(name: FileName): string {
  if (name.pathBase64 === undefined) {
    return name.path.replaceAll(UNSHOWABLE, (character) => `\\u{${hex(character, 1)}}`)
  }
  const bytes = bytesOf(name).toString('latin1')
  return bytes.replaceAll(/[^\x20-\x7e]/g, (byte) => `\\x${hex(byte, 2)}`)
}

/** Control characters, those that reverse the direction of writing among them, and the separators of lines. */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

function hex(character: string, length: number): string {
  return (character.codePointAt(0) ?? 0).toString(16).padStart(length, '0')
}
