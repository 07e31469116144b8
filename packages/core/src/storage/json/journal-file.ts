import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BackendError } from '../../errors/backend-errors.ts'
import { turn } from '../../time/clock.ts'
import { codeOf, statOf } from './files.ts'

const CHUNK = 65_536
const NEWLINE = 10
/** So many lines are read before others get a turn. */
const LINES_A_TURN = 1_000

/** Opens a file to read and write, and makes it where there is none. */
export async function openFile(path: string): Promise<FileHandle> {
  const there = await statOf(path)
  if (there === undefined) return open(path, 'wx+')
  // A device or a pipe may have no end.
  if (!there.isFile()) throw new TypeError('it is no regular file')
  return open(path, 'r+')
}

/** What {@link readLines} found. */
export interface LinesRead {
  /** How many bytes the whole lines have. */
  readonly bytes: number
  /** What follows the last of them. */
  readonly rest: Buffer
}

/** Reads a file line by line. */
export async function readLines(
  handle: FileHandle,
  onLine: (line: Buffer) => void,
): Promise<LinesRead> {
  let parts: Buffer[] = []
  let bytes = 0
  let lines = 0
  for (let position = 0; ;) {
    const buffer = Buffer.allocUnsafe(CHUNK)
    const { bytesRead } = await handle.read(buffer, 0, CHUNK, position)
    if (bytesRead === 0) return { bytes, rest: Buffer.concat(parts) }
    const chunk = buffer.subarray(0, bytesRead)
    let begin = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      parts.push(chunk.subarray(begin, end))
      onLine(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts))
      parts = []
      begin = end + 1
      bytes = position + begin
      lines += 1
      if (lines % LINES_A_TURN === 0) await turn()
    }
    if (begin < bytesRead) parts.push(chunk.subarray(begin))
    position += bytesRead
  }
}

/** Writes all of `bytes` at a position; answers with how many there were. */
export async function writeAll(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<number> {
  let written = 0
  while (written < bytes.length) {
    const left = bytes.length - written
    const { bytesWritten } = await handle.write(bytes, written, left, position + written)
    written += bytesWritten
  }
  return written
}

/** Copies a part of one file to a place in another. */
export async function copyRange(
  source: FileHandle,
  target: FileHandle,
  { from, end, to }: { readonly from: number; readonly end: number; readonly to: number },
): Promise<void> {
  const buffer = Buffer.alloc(CHUNK)
  for (let at = from; at < end;) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(CHUNK, end - at), at)
    if (bytesRead === 0) throw new Error('the file is shorter than what was written to it')
    await writeAll(target, buffer.subarray(0, bytesRead), to + (at - from))
    at += bytesRead
  }
}

/** Makes names in the folder of a file as durable as files are; where folders cannot be synced, they need not be. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(dirname(path), 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP'].includes(codeOf(error) ?? ''))
      throw error
  }
}

/** What is wrong with a file, in an error that names it. */
export function openError(path: string, error: unknown): BackendError {
  if (error instanceof BackendError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new BackendError('open', `${path}: ${why}`, {
    transient: false,
    applied: 'no',
    cause: error,
  })
}
