import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { backup as copy, DatabaseSync } from 'node:sqlite'
import { BackendError, OptionError } from '@apalis/core'
import { type Database, fileAt } from './database.ts'

/** More pages than a file can have: the copy is one read, so that no writer makes it begin again. */
const ALL_PAGES = 2 ** 31 - 1

/**
 * Copies what is committed now to another file, while everything goes on. The copy has its name once it is whole, in place
 * of what was there.
 */
export async function backUp(database: Database, to: string): Promise<void> {
  if (typeof to !== 'string' || to === '') throw new OptionError('backup path', to, 'a path')
  const target = resolve(to)
  const there = fileAt(target)
  if (there !== undefined && there.ino === database.file?.ino && there.dev === database.file.dev) {
    throw new OptionError('backup path', to, 'a path other than that of the storage itself')
  }
  const partial = `${target}.partial`
  try {
    await rm(partial, { force: true })
    if (database.file !== undefined && database.client instanceof DatabaseSync) {
      await copyFile(database, partial)
    } else {
      database.sql.run('VACUUM INTO ?', partial)
    }
    await rename(partial, target)
  } catch (error) {
    await rm(partial, { force: true })
    const message = error instanceof Error ? error.message : String(error)
    throw new BackendError('back up', `${database.path} to ${target}: ${message}`, {
      transient: false,
      applied: 'no',
      cause: error,
    })
  }
}

/** By a connection of its own, and beside the event loop: reading disturbs nobody. */
async function copyFile({ path }: Database, to: string): Promise<void> {
  const source = new DatabaseSync(path, { readOnly: true })
  try {
    await copy(source, to, { rate: ALL_PAGES })
  } finally {
    source.close()
  }
}
