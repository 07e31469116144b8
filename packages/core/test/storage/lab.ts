import { toStoredError } from '../../src/errors/stored-error.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage, type StorageOptions } from '../../src/storage/storage.ts'
import type { ClaimedRow, Row, StoreOutcome } from '../../src/storage/task-store.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

/** A storage over a store that fails when asked to, with a worker that does only what the test says. */
export class Lab {
  readonly clock = new TestClock()
  readonly memory: MemoryStore
  readonly store: FaultyStore
  readonly storage: Storage

  constructor({
    keepFinished = 1_000,
    ...options
  }: StorageOptions & { readonly keepFinished?: number } = {}) {
    this.memory = new MemoryStore({ clock: this.clock, keepFinished })
    this.store = new FaultyStore(this.memory)
    this.storage = new Storage(this.store, { clock: this.clock, ...options })
  }

  /** Claims what is due; nothing fails here. */
  async claim(queue: string, { worker = 'w', limit = 1_000 } = {}): Promise<readonly ClaimedRow[]> {
    await this.memory.register({ id: worker, name: worker, queue, leaseMs: 60_000, layers: [] })
    const claimed = await this.memory.claim({ id: worker, queue }, limit, { suspects: 1 })
    return claimed.rows
  }

  /** Ends claims in the given way. */
  async settle(
    queue: string,
    rows: readonly ClaimedRow[],
    outcome: StoreOutcome,
    { worker = 'w' } = {},
  ): Promise<void> {
    const settlements = rows.map(({ id, epoch }) => ({ id, epoch, outcome }))
    await this.memory.settle({ id: worker, queue }, settlements)
  }

  /** Runs whatever is due to its end. */
  async finish(queue: string, result?: unknown): Promise<void> {
    const rows = await this.claim(queue)
    await this.settle(queue, rows, {
      type: 'done',
      ...(result !== undefined && { result: JSON.stringify(result) }),
    })
  }

  /** Runs whatever is due to a failure that it does not survive. */
  async murder(queue: string, error: unknown): Promise<void> {
    await this.settle(queue, await this.claim(queue), {
      type: 'killed',
      error: toStoredError(error),
    })
  }

  /** A stored row. */
  async row(queue: string, id: string): Promise<Row> {
    const [row] = await this.memory.get(queue, [id])
    if (row === undefined) throw new Error(`no task ${id}`)
    return row
  }

  /** All rows, in order of insertion. */
  rows(queue: string): Promise<readonly Row[]> {
    return this.memory.list(queue, { offset: 0, limit: 100_000 })
  }

  /** The arguments of all rows, decoded. */
  async args(queue: string): Promise<unknown[]> {
    return (await this.rows(queue)).map(({ args }) => JSON.parse(args))
  }
}
