import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

const SQLITE_BUSY = 5

/**
 * Holds the file at `path`, which is made, until it is disposed of, or the process ends in whatever way: the lock is that
 * of a database, which the operating system takes back. undefined: another process holds it.
 */
export function takeLock(path: string): Disposable | undefined {
  for (;;) {
    make(path)
    const before = inode(path)
    const database = new DatabaseSync(path)
    if (!begin(database)) {
      database.close()
      return undefined
    }
    // Whoever held it before may have removed it meanwhile: then this is a lock on nothing.
    if (before !== undefined && before === inode(path)) {
      return {
        [Symbol.dispose]() {
          release(path, database)
        },
      }
    }
    database.close()
  }
}

function make(path: string): void {
  try {
    // Only where there is none: closing a file lets go of the locks that this process has on it.
    closeSync(openSync(path, 'wx'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function begin(database: DatabaseSync): boolean {
  try {
    // Without a journal beside it.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return false
    database.close()
    throw error
  }
}

function release(path: string, database: DatabaseSync): void {
  try {
    // While it is held, so that it is nobody else's.
    rmSync(path, { force: true })
  } catch {
    // Windows removes no file that is open. It is empty, and the next run uses it again.
  }
  database.close()
}

function inode(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
}
