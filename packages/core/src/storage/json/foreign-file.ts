import { type FileHandle, open, unlink } from 'node:fs/promises'
import { beginningOf, statOf } from './files.ts'
import { HEADER } from './journal-lines.ts'

/** No first line of a journal is as long. */
const LONGEST_HEADER = 4_096

/** Whether the first line has no end where one of ours has it: what such a file holds is not worth reading. */
export async function isForeign(handle: FileHandle): Promise<boolean> {
  const beginning = await beginningOf(handle, LONGEST_HEADER)
  return beginning.length === LONGEST_HEADER && !beginning.includes('\n')
}

/** Takes away what a compaction has left that did not come to its end; a power cut may have left it empty or full of NUL. */
export async function removeLeftover(path: string): Promise<void> {
  const there = await statOf(path)
  if (there?.isFile() !== true) return
  const handle = await open(path, 'r')
  let text: Buffer
  try {
    text = await beginningOf(handle, HEADER.length)
  } finally {
    await handle.close()
  }
  const ours = HEADER.startsWith(text.toString('utf8')) || text.every((byte) => byte === 0)
  if (ours) await unlink(path)
}
