import { type Clock, exponential, json, MemoryStorage, type Queue } from '@apalis/core'

import type { Digest } from './digest.ts'
import type { FileName } from './names.ts'

/** Where the tasks are kept until their results are in the manifest. */
export interface Store extends AsyncDisposable {
  /** One task for each file. */
  readonly files: Queue<FileName, FileName, Digest>
}

/** Opens the store. Which storage it is, only this function knows. */
export async function openStore(clock: Clock): Promise<Store> {
  const storage = new MemoryStorage({ clock })
  return {
    files: storage.queue('files', {
      args: json<FileName>(),
      result: json<Digest>(),
      attempts: 4,
      backoff: exponential('500ms', { max: '5s' }),
    }),
    [Symbol.asyncDispose]: () => storage.close(),
  }
}
