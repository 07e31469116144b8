import { readdir } from 'node:fs/promises'

import { below, type BytePath, type FileName, nameOf, toBytes } from './names.ts'

/** What a walk leaves out, and whom it tells. */
export interface WalkOptions {
  /** Files that are not there for us. */
  readonly except?: ReadonlySet<BytePath>
  /** Ends the walk. */
  readonly signal?: AbortSignal
  /** A folder whose entries cannot be read; the walk goes on without them. */
  readonly unreadable?: (folder: FileName, error: unknown) => void
  /** What is no regular file: a symbolic link (never followed), a socket, a pipe, a device. */
  readonly skipped?: (name: FileName) => void
}

/**
 * Every regular file below `folder`, in the order of the bytes of the whole paths, found as it is asked for: one folder's
 * entries at a time are in memory, and those of the folders above it. Throws when `folder` itself cannot be read.
 */
export async function* walk(folder: Buffer, options: WalkOptions = {}): AsyncGenerator<BytePath> {
  const { except, signal, unreadable } = options
  // The last one is next. A folder ends with '/', the walked one is ''.
  const ahead: BytePath[] = ['']
  for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
    if (signal?.aborted === true) return
    if (path !== '' && !path.endsWith('/')) {
      if (except?.has(path) !== true) yield path
      continue
    }
    try {
      for (const entry of await entriesOf(folder, path, options)) ahead.push(entry)
    } catch (error) {
      if (path === '') throw error
      unreadable?.(nameOf(path), error)
    }
  }
}

/** The paths of what lies in the folder `path`, last one first; a folder with '/' at its end, as in the paths below it. */
async function entriesOf(
  folder: Buffer,
  path: BytePath,
  { skipped }: WalkOptions,
): Promise<BytePath[]> {
  const paths: BytePath[] = []
  const where = below(folder, toBytes(path))
  for (const entry of await readdir(where, { withFileTypes: true, encoding: 'buffer' })) {
    const found = path + entry.name.toString('latin1')
    if (entry.isFile()) paths.push(found)
    else if (entry.isDirectory()) paths.push(`${found}/`)
    else skipped?.(nameOf(found))
  }
  return paths.sort().reverse()
}
