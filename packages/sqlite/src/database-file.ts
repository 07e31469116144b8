import { type BigIntStats, realpathSync, statSync } from 'node:fs'
import type { SqliteTransaction } from './client.ts'
import { Statements } from './statements.ts'

/** Which file it is, whatever it is called. */
export type FileIdentity = Pick<BigIntStats, 'dev' | 'ino'>

/** What stands at a path now; undefined: nothing that can be seen. */
export function fileAt(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    // A folder on the way is no folder any more, or closed to us.
    return undefined
  }
}

/** Whether both are the same file. */
export function isSameFile(one: FileIdentity | undefined, other: FileIdentity): boolean {
  return one?.ino === other.ino && one.dev === other.dev
}

/** The file that a connection works with; undefined: its database is in memory, or temporary. */
export function mainFile(client: SqliteTransaction): string | undefined {
  for (const [, name, file] of new Statements(client).rows('PRAGMA database_list')) {
    if (name === 'main') return typeof file === 'string' && file !== '' ? file : undefined
  }
  return undefined
}

/** Where the log of a database lies that has, or would have, this path. */
export function logOf(path: string): string {
  try {
    // SQLite puts it beside the file itself, whatever links lead there.
    return `${realpathSync(path)}-wal`
  } catch {
    return `${path}-wal`
  }
}

/** The file of an open database, and the two that SQLite keeps beside it for as long as anybody has it open. */
export class DatabaseFile implements FileIdentity {
  readonly path: string
  readonly dev: bigint
  readonly ino: bigint
  /** What was committed and is not in the file itself yet. */
  readonly log: string
  readonly #beside: readonly (readonly [path: string, identity: FileIdentity])[]

  /** Throws where there is none. */
  constructor(path: string) {
    const { dev, ino } = statSync(path, { bigint: true })
    this.path = path
    this.dev = dev
    this.ino = ino
    this.log = logOf(path)
    this.#beside = [this.log, this.log.replace(/wal$/, 'shm')].flatMap((file) => {
      const there = fileAt(file)
      return there === undefined ? [] : [[file, there] as const]
    })
  }

  /**
   * Why nothing may be read or written: the connection would go on with a file that nobody finds any more, or without the
   * locks that others know of.
   */
  problem(): string | undefined {
    const there = fileAt(this.path)
    if (there === undefined) return 'the file was deleted or moved away while it was open'
    if (!isSameFile(there, this)) return 'the file was replaced by another while it was open'
    if (there.size === 0n) return 'the file was emptied while it was open'
    for (const [path, identity] of this.#beside) {
      if (isSameFile(fileAt(path), identity)) continue
      return `${path}, which belongs to it, was deleted or replaced while it was open; what was committed is kept if this process closes the storage before another one opens the file`
    }
    return undefined
  }

  /** Whether a path leads to the file, or to one of those beside it. */
  isAt(path: string): boolean {
    const there = fileAt(path)
    return (
      there !== undefined &&
      [this, ...this.#beside.map(([, it]) => it)].some((one) => isSameFile(there, one))
    )
  }
}
