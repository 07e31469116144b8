import assert from 'node:assert/strict'
import type { StoredError } from '../../../src/errors/stored-error.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import type {
  ClaimedRow,
  NewRow,
  Row,
  StoreOutcome,
  StoreSettled,
  StoreSignal,
  StoreWorker,
} from '../../../src/storage/task-store.ts'
import { TestClock } from '../../../src/testing/test-clock.ts'

export const queue = 'work'
export const leaseMs = 30_000
export const poison: StoredError = { name: 'PoisonError', message: 'died', code: 'ERR_TASK_POISON' }
export const rescuing: { readonly maxRescues: number; readonly poison: StoredError } = {
  maxRescues: 3,
  poison,
}

export function error(message = 'oops'): StoredError {
  return { name: 'Error', message }
}

export function row(id: string, more: Partial<NewRow> = {}): NewRow {
  return { id, args: JSON.stringify(id), priority: 0, attempts: 5, ...more }
}

export function ids(rows: readonly { readonly id: string }[]): readonly string[] {
  return rows.map(({ id }) => id)
}

/** A store on a clock that only the test moves, and the shortest ways to use one queue of it. */
export class Lab {
  readonly clock: TestClock = new TestClock()
  readonly store: MemoryStore
  readonly signals: StoreSignal[] = []

  constructor({ keepFinished = 1000 }: { readonly keepFinished?: number } = {}) {
    this.store = new MemoryStore({ clock: this.clock, keepFinished })
  }

  /** Moves the storage's clock; a negative number is somebody who sets the time back. */
  pass(ms: number): void {
    this.clock.step(ms)
  }

  async listen(): Promise<void> {
    await this.store.listen((signal) => this.signals.push(signal))
  }

  /** What was heard since the last time. */
  heard(): readonly StoreSignal[] {
    return this.signals.splice(0)
  }

  async insert(...idsOrRows: readonly (string | NewRow)[]): Promise<void> {
    const rows = idsOrRows.map((item) => (typeof item === 'string' ? row(item) : item))
    const inserted = await this.store.insert(queue, rows)
    assert.deepEqual(
      inserted,
      rows.map(({ id }) => ({ id, existing: false })),
    )
  }

  async enlist(id = 'w', more: Partial<StoreWorker> = {}): Promise<StoreWorker> {
    const worker = { id, queue, name: `name of ${id}`, leaseMs, layers: ['outer'], ...more }
    await this.store.register(worker)
    return worker
  }

  async claim(
    worker: StoreWorker,
    limit = 100,
    suspects: 0 | 1 = 1,
  ): Promise<readonly ClaimedRow[]> {
    return (await this.store.claim(worker, limit, { suspects })).rows
  }

  async claimOne(worker: StoreWorker): Promise<ClaimedRow> {
    const [claimed] = await this.claim(worker, 1)
    assert.ok(claimed)
    return claimed
  }

  async settle(
    worker: StoreWorker,
    { id, epoch }: { readonly id: string; readonly epoch: number },
    outcome: StoreOutcome = { type: 'done' },
  ): Promise<StoreSettled | undefined> {
    return (await this.store.settle(worker, [{ id, epoch, outcome }]))[0]
  }

  async read(id: string): Promise<Row> {
    const [found] = await this.store.get(queue, [id])
    assert.ok(found, `no row ${id}`)
    return found
  }

  /** The ids of all stored rows. */
  async stored(): Promise<readonly string[]> {
    return ids(await this.store.list(queue, { offset: 0, limit: 1_000_000 }))
  }

  /** Runs rows to their end, one after the other. */
  async finish(worker: StoreWorker, count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      assert.equal(await this.settle(worker, await this.claimOne(worker)), 'applied')
    }
  }

  /** Lets a fresh incarnation die with what it claims, and rescues that. */
  async die(limit = 1, suspects: 0 | 1 = 1): Promise<readonly string[]> {
    const worker = await this.enlist(`dying at ${this.clock.now()}`)
    await this.claim(worker, limit, suspects)
    this.pass(leaseMs)
    return ids((await this.store.rescue(queue, 100, rescuing)).map((rescued) => rescued.row))
  }
}
