import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { backup as copy, DatabaseSync } from 'node:sqlite'
import { BackendError, OptionError } from '@apalis/core'
import type { Database } from './database.ts'

/** What a connection to an earlier copy that was killed has left beside it. */
const BESIDE = ['-wal', '-shm', '-journal'] as const

/** More pages than a file can have: the copy is one read, so that no writer makes it begin again. */
const ALL_PAGES = 2 ** 31 - 1

/**
 * Copies what is committed now to another file, while everything goes on. The copy has its name once it is whole, in place
 * of what was there.
 */
export async function backUp(database: Database, to: string): Promise<void> {
  if (typeof to !== 'string' || to === '') throw new OptionError('backup path', to, 'a path')
  const target = resolve(to)
  if (database.file?.isAt(target) === true) {
    throw new OptionError('backup path', to, 'a path other than those of the storage itself')
  }
  // One after the other: they would write to the same partial file.
  const before = underWay.get(target)
  const backup = (async () => {
    await before?.catch(() => undefined)
    await copyTo(database, target)
  })()
  underWay.set(target, backup)
  try {
    await backup
  } finally {
    if (underWay.get(target) === backup) underWay.delete(target)
  }
}

/** The last backup to each path. */
const underWay = new Map<string, Promise<void>>()

async function copyTo(database: Database, target: string): Promise<void> {
  const partial = `${target}.partial`
  try {
    const problem = database.problem()
    if (problem !== undefined) throw new Error(problem)
    await remove(partial, '', ...BESIDE)
    if (database.file !== undefined && database.client instanceof DatabaseSync) {
      await copyFile(database, partial)
    } else {
      database.sql.run('VACUUM INTO ?', partial)
    }
    // Whoever opens a database brings the log that lies beside it into it: one of the copy before would ruin this one.
    await remove(target, ...BESIDE)
    await rename(partial, target)
  } catch (error) {
    // What led here is the error to tell.
    await remove(partial, '', ...BESIDE).catch(() => undefined)
    const message = error instanceof Error ? error.message : String(error)
    throw new BackendError('back up', `${database.path} to ${target}: ${message}`, {
      transient: false,
      applied: 'no',
      cause: error,
    })
  }
}

async function remove(path: string, ...suffixes: readonly string[]): Promise<void> {
  for (const suffix of suffixes) await rm(path + suffix, { force: true })
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
