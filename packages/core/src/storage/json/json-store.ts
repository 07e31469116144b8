import { appendFile } from 'node:fs/promises'
import { BackendError } from '../../errors/backend-errors.ts'
import type { StoredError } from '../../errors/stored-error.ts'
import { type Clock, turn } from '../../time/clock.ts'
import { MemoryStore } from '../memory/memory-store.ts'
import { Signals } from '../memory/signals.ts'
import type {
  Changed,
  Claimed,
  ClaimOptions,
  Counts,
  Inserted,
  InsertOptions,
  ListFilter,
  NewRow,
  PurgeOptions,
  QueueState,
  Rescued,
  RescueOptions,
  Retried,
  Row,
  RowChanges,
  StoreBeat,
  StoreSettled,
  StoreSettlement,
  StoreSignal,
  StoreWorker,
  TaskStore,
  WorkerRef,
  WorkerRow,
} from '../task-store.ts'
import { Changes, snapshot } from './changes.ts'
import { Journal } from './journal.ts'
import { openError } from './journal-file.ts'
import type { DamagedLine, JournalReader } from './journal-lines.ts'
import { Lock } from './lock.ts'
import { realPathOf } from './files.ts'
import { restore } from './restore.ts'

/** How a {@link JsonStore} keeps rows. */
export interface JsonStoreOptions {
  readonly path: string
  readonly clock: Clock
  readonly keepFinished: number
  readonly fsync: boolean
}

/**
 * The memory store, with a journal of everything that changes in it. A call is answered when what it changed, and what it
 * may have seen, is written. Only leases are not: whoever opens a journal is alone with it, so those that it was written
 * under have ended.
 */
export class JsonStore implements TaskStore {
  readonly #memory: MemoryStore
  readonly #changes: Changes
  readonly #journal: Journal
  readonly #lock: Lock
  readonly #options: JsonStoreOptions
  /** The file, without links. */
  readonly path: string
  /** Lines that could not be read when the file was opened: they were set aside. */
  readonly damaged: readonly DamagedLine[]
  readonly #signals = new Signals()
  /** What calls have to tell once it is written. */
  #untold: StoreSignal[] = []
  #closing: Promise<void> | undefined

  private constructor(
    options: JsonStoreOptions,
    lock: Lock,
    { journal, saved }: { readonly journal: Journal; readonly saved: JournalReader },
  ) {
    const { clock, keepFinished } = options
    this.#options = options
    this.#lock = lock
    this.#journal = journal
    this.#changes = new Changes()
    this.#memory = new MemoryStore({ clock, keepFinished, log: this.#changes.log })
    void this.#memory.listen((signal) => this.#untold.push(signal))
    this.path = options.path
    this.damaged = saved.damaged.map(({ line, error }) => ({ line, error }))
    journal.compactWith({
      begin: () => {
        this.#changes.whole = true
        return snapshot(this.#memory, () => clock.now())
      },
      end: (error) => {
        this.#changes.whole = false
        if (error !== undefined) warn(`${options.path} cannot be compacted: ${textOf(error)}`)
      },
    })
  }

  /** Opens a file of tasks, made where there is none. Rejects with a `BackendError` that names it. */
  static async open(options: JsonStoreOptions): Promise<JsonStore> {
    let { path } = options
    let lock: Lock | undefined
    let journal: Journal | undefined
    try {
      // Whoever comes by a link meets the same lock, and what is written anew takes the place of the file and not of the link.
      path = await realPathOf(path)
      lock = await Lock.take(path)
      const opened = await Journal.open({ ...options, path })
      journal = opened.journal
      const store = new JsonStore({ ...options, path }, lock, opened)
      await store.#restore(opened.saved)
      return store
    } catch (error) {
      await journal?.close().catch(() => undefined)
      await lock?.release()
      throw openError(path, error)
    }
  }

  async insert(
    queue: string,
    rows: readonly NewRow[],
    options?: InsertOptions,
  ): Promise<readonly Inserted[]> {
    return this.#write('insert', () => this.#memory.insert(queue, rows, options))
  }

  register(worker: StoreWorker): Promise<void> {
    return this.#memory.register(worker)
  }

  claim(worker: WorkerRef, limit: number, options: ClaimOptions): Promise<Claimed> {
    return this.#write('claim', () => this.#memory.claim(worker, limit, options))
  }

  settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
  ): Promise<readonly StoreSettled[]> {
    return this.#write('settle', () => this.#memory.settle(worker, settlements))
  }

  exchange(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    options: ClaimOptions,
  ): Promise<{ readonly settled: readonly StoreSettled[]; readonly claimed: Claimed }> {
    return this.#write('exchange', () => this.#memory.exchange(worker, settlements, limit, options))
  }

  beat(worker: WorkerRef): Promise<StoreBeat> {
    return this.#memory.beat(worker)
  }

  rescue(queue: string, limit: number, options: RescueOptions): Promise<readonly Rescued[]> {
    return this.#write('rescue', () => this.#memory.rescue(queue, limit, options))
  }

  leave(worker: WorkerRef): Promise<void> {
    return this.#write('leave', () => this.#memory.leave(worker))
  }

  async listen(onSignal: (signal: StoreSignal) => void): Promise<AsyncDisposable> {
    return this.#signals.listen(onSignal)
  }

  watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#read('watch', () => this.#memory.watch(queue, ids))
  }

  get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#read('get', () => this.#memory.get(queue, ids))
  }

  list(queue: string, filter: ListFilter): Promise<readonly Row[]> {
    return this.#read('list', () => this.#memory.list(queue, filter))
  }

  count(queue: string): Promise<Counts> {
    return this.#read('count', () => this.#memory.count(queue))
  }

  queues(): Promise<readonly QueueState[]> {
    return this.#read('list queues', () => this.#memory.queues())
  }

  workers(queue?: string): Promise<readonly WorkerRow[]> {
    return this.#memory.workers(queue)
  }

  update(queue: string, id: string, changes: RowChanges): Promise<Changed> {
    return this.#write('update', () => this.#memory.update(queue, id, changes))
  }

  kill(queue: string, id: string, error: StoredError): Promise<boolean> {
    return this.#write('kill', () => this.#memory.kill(queue, id, error))
  }

  take(queue: string, id: string): Promise<boolean> {
    return this.#write('take', () => this.#memory.take(queue, id))
  }

  retry(queue: string, id: string, options: { readonly resetAttempts: boolean }): Promise<Retried> {
    return this.#write('retry', () => this.#memory.retry(queue, id, options))
  }

  remove(queue: string, id: string): Promise<Changed> {
    return this.#write('remove', () => this.#memory.remove(queue, id))
  }

  pause(queue: string, on: boolean): Promise<void> {
    return this.#write('pause', () => this.#memory.pause(queue, on))
  }

  purge(queue: string, options: PurgeOptions): Promise<number> {
    return this.#write('purge', () => this.#memory.purge(queue, options))
  }

  /** Writes what is under way, and gives the file back. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#journal.close()
    } catch (cause) {
      throw this.#failed('close', 'unknown', cause)
    } finally {
      await this.#lock.release()
    }
  }

  /** What changes, only while the journal can be written to: what cannot must not pile up. */
  async #write<Answer>(operation: string, call: () => Promise<Answer>): Promise<Answer> {
    if (this.#journal.failure !== undefined) await this.#flush(operation, 'no')
    return this.#read(operation, call)
  }

  async #read<Answer>(operation: string, call: () => Promise<Answer>): Promise<Answer> {
    // It has done all of its work when it answers with its promise.
    const answer = call()
    this.#journal.append(this.#changes.take(this.#options.clock.now(), this.#memory))
    const untold = this.#untold
    this.#untold = []
    try {
      const [value] = await Promise.all([answer, this.#flush(operation, 'unknown')])
      return value
    } finally {
      this.#signals.deliver(untold)
    }
  }

  async #flush(operation: string, applied: 'no' | 'unknown'): Promise<void> {
    try {
      await this.#journal.flush()
    } catch (cause) {
      throw this.#failed(operation, applied, cause)
    }
  }

  #failed(operation: string, applied: 'no' | 'unknown', cause: unknown): BackendError {
    const message = `${this.#options.path}: ${textOf(cause)}`
    return new BackendError(operation, message, { applied, cause })
  }

  async #restore({ queues, damaged }: JournalReader): Promise<void> {
    for (const [name, queue] of queues) {
      restore(this.#memory.kept(name), queue, this.#options.clock.now())
      await turn()
    }
    // What the journal says is not news to it.
    this.#changes.take(this.#options.clock.now(), this.#memory)
    if (damaged.length === 0) return
    const { path } = this.#options
    const aside = `${path}.damaged`
    await appendFile(aside, damaged.map((line) => `${JSON.stringify(line)}\n`).join(''))
    const [first] = damaged
    warn(
      `${path}: ${damaged.length} line(s) cannot be read, and are set aside in ${aside}; the first is line ${first?.line}: ${first?.error}`,
    )
    await this.#journal.compact()
  }
}

function warn(message: string): void {
  process.emitWarning(message, { type: 'JsonStorageWarning' })
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
