import { Storage, type StorageOptions } from '../storage.ts'
import { MemoryStore } from './memory-store.ts'

/** What a {@link MemoryStorage} is given. */
export interface MemoryStorageOptions extends StorageOptions {
  /** How many finished tasks of each queue are kept. @default 1000 */
  readonly keepFinished?: number
}

/** Tasks in the memory of this process: for tests, and for work that may be lost with the process. apalis's `MemoryStorage`. */
export class MemoryStorage extends Storage {
  constructor(given: MemoryStorageOptions = {}) {
    Storage.checkOptions(given, ['keepFinished'])
    const { keepFinished, ...options } = given
    const { clock } = options
    super(
      new MemoryStore({
        ...(clock !== undefined && { clock }),
        ...(keepFinished !== undefined && { keepFinished }),
      }),
      options,
    )
  }
}
