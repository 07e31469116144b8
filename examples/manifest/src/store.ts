import { rm } from 'node:fs/promises'

import { type Clock, exponential, json, type Queue } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'

import type { Digest } from './digest.ts'
import type { FileName } from './names.ts'
import { databaseFiles } from './places.ts'

/** Where the tasks are kept until their results are in the manifest. */
export interface Store extends AsyncDisposable {
  /** One task for each file. */
  readonly files: Queue<FileName, FileName, Digest>
  /** Closes it and forgets everything. */
  remove(): Promise<void>
}

/** Opens the store at `path`, with what an interrupted run left in it. Which storage it is, only this function knows. */
export async function openStore(path: string, clock: Clock): Promise<Store> {
  const storage = await SqliteStorage.open(path, {
    clock,
    // A run that follows on one that was killed waits so long for the files that it was reading.
    lease: '3s',
    // What a power cut takes is hashed again.
    synchronous: 'normal',
    retention: { done: false, killed: false },
  })
  return {
    files: storage.queue('files', {
      args: json<FileName>(),
      result: json<Digest>(),
      attempts: 4,
      backoff: exponential('500ms', { max: '5s' }),
      // No file ends the process that reads it: whoever kills it again and again does so from outside.
      maxRescues: 1_000_000,
    }),
    async remove() {
      await storage.close()
      for (const file of databaseFiles(path)) await rm(file, { force: true })
    },
    [Symbol.asyncDispose]: () => storage.close(),
  }
}
