import { createHash } from 'node:crypto'
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { getSystemErrorMessage } from 'node:util'
import { createGzip } from 'node:zlib'

import { AbortError, type TaskRequest } from '@apalis/core'

import { below, bytesOf, type FileName } from './names.ts'

/** What is to be known of a file. */
export interface Digest {
  readonly size: number
  /** In hexadecimal digits. */
  readonly sha256: string
  /** How many bytes it has compressed by gzip, at the usual level. */
  readonly gzipSize: number
}

/** What the handler needs besides its task. */
export interface DigestData {
  /** The absolute path of the folder that the files lie in. */
  readonly folder: Buffer
}

/**
 * The handler: reads one file once, piece by piece. A file that has vanished is never tried again; one that cannot be read,
 * is no regular file now, or changes while it is read, is.
 */
export async function digestFile(
  name: FileName,
  { data: { folder }, signal }: TaskRequest<FileName, DigestData>,
): Promise<Digest> {
  try {
    await using file = await open(below(folder, bytesOf(name)), READ)
    return await digest(file, signal)
  } catch (error) {
    throw explained(error)
  }
}

/** A symbolic link that took the file's place is not followed, and a pipe is not waited for. Windows knows neither. */
const READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

async function digest(file: FileHandle, signal: AbortSignal): Promise<Digest> {
  const before = await file.stat({ bigint: true })
  if (!before.isFile()) throw new Error('it is no regular file any more')
  const hash = createHash('sha256')
  let size = 0
  let gzipSize = 0
  await pipeline(
    file.createReadStream({ autoClose: false }),
    async function* (pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) {
        hash.update(piece)
        size += piece.length
        yield piece
      }
    },
    createGzip(),
    async (pieces: AsyncIterable<Buffer>) => {
      for await (const piece of pieces) gzipSize += piece.length
    },
    { signal },
  )
  if (differ(before, await file.stat({ bigint: true })))
    throw new Error('it changed while it was read')
  return { size, sha256: hash.digest('hex'), gzipSize }
}

function differ(one: BigIntStats, other: BigIntStats): boolean {
  return one.size !== other.size || one.mtimeNs !== other.mtimeNs
}

/** Errors of the file system in words without the path, which stands beside them wherever they are shown. */
function explained(error: unknown): unknown {
  if (!isSystemError(error)) return error
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
    return new AbortError(new Error('it vanished before it was read', { cause: error }))
  }
  return new Error(`it cannot be read: ${reasonOf(error)}`, { cause: error })
}

/** Why a call to the file system failed, without the path. */
export function reasonOf(error: unknown): string {
  if (isSystemError(error)) return `${getSystemErrorMessage(error.errno)} (${error.code})`
  return error instanceof Error ? error.message : String(error)
}

function isSystemError(error: unknown): error is Error & { code: string; errno: number } {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number'
}
