import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OptionError, wholeNumber } from '../../internal/validate.ts'
import { systemClock } from '../../time/clock.ts'
import { Storage, type StorageOptions } from '../storage.ts'
import type { DamagedLine } from './journal-lines.ts'
import { JsonStore } from './json-store.ts'

/** How to open a file of tasks. */
export interface JsonStorageOptions extends StorageOptions {
  /** How many finished tasks of each queue are kept. @default 10_000 */
  readonly keepFinished?: number
  /** Whether an acknowledged push or outcome survives a power cut too, and not only the end of the process. @default false */
  readonly fsync?: boolean
}

/**
 * Tasks in a file that an editor can read, for one process: all of them in its memory, and a line in the file for
 * everything that changes. Acknowledged pushes and outcomes survive `kill -9`. apalis's `JsonStorage`.
 */
export class JsonStorage extends Storage {
  /** Where the tasks are: an absolute path without links. */
  readonly path: string
  /** Lines of the file that could not be read when it was opened. They are in `<path>.damaged` now, and not in the file. */
  readonly damaged: readonly DamagedLine[]
  readonly #temporary: boolean

  private constructor(
    store: JsonStore,
    options: StorageOptions,
    { temporary }: { readonly temporary: boolean },
  ) {
    super(store, options)
    this.path = store.path
    this.damaged = store.damaged
    this.#temporary = temporary
  }

  /**
   * Opens a file, made where there is none. Rejects with a `BackendError` that names it where it cannot be used, is no
   * file of tasks, or another process has it open. A last line that was not written to its end is cut off; other lines
   * that cannot be read are set aside, in {@link damaged} and with a process warning.
   */
  static open(path: string | URL, options: JsonStorageOptions = {}): Promise<JsonStorage> {
    return JsonStorage.#open(checkPath(path), options, false)
  }

  /** Opens a new file in a folder of its own for temporary files; `close` deletes both. apalis's `JsonStorage::new_temp`. */
  static async temp(options: JsonStorageOptions = {}): Promise<JsonStorage> {
    const folder = await mkdtemp(join(tmpdir(), 'apalis-'))
    try {
      return await JsonStorage.#open(join(folder, 'tasks.jsonl'), options, true)
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  static async #open(
    path: string,
    given: JsonStorageOptions,
    temporary: boolean,
  ): Promise<JsonStorage> {
    JsonStorage.checkOptions(given, ['keepFinished', 'fsync'])
    const { keepFinished = 10_000, fsync = false, ...options } = given
    const { clock = systemClock } = options
    if (typeof fsync !== 'boolean') {
      throw new OptionError('JsonStorage.fsync', fsync, 'true or false')
    }
    wholeNumber('JsonStorage.keepFinished', keepFinished)
    const store = await JsonStore.open({ path, clock, keepFinished, fsync })
    return new JsonStorage(store, options, { temporary })
  }

  override async close(): Promise<void> {
    try {
      await super.close()
    } finally {
      if (this.#temporary) await rm(dirname(this.path), { recursive: true, force: true })
    }
  }
}

function checkPath(path: unknown): string {
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path)
  if (typeof path === 'string' && path !== '' && !path.startsWith('file:')) return resolve(path)
  throw new OptionError('JsonStorage path', path, 'a path, or a URL object of a file')
}
