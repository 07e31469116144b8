import type { StoredError } from '../../errors/stored-error.ts'
import {
  type Changed,
  type Claimed,
  type ClaimedRow,
  type Inserted,
  type NewRow,
  type PurgeOptions,
  type Rescued,
  type RescueOptions,
  type Retried,
  type Row,
  type RowChanges,
  type StoreBeat,
  type StoreSettled,
  type StoreSettlement,
  type StoreWorker,
  suspectRescues,
  type WorkerRef,
} from '../../storage/task-store.ts'
import {
  claimedRow,
  ended,
  givenBack,
  isFinished,
  isWaiting,
  killed,
  type ModelTask,
  revived,
  started,
} from './reference-task.ts'
import { ReferenceState } from './reference-state.ts'

/** What a call answers when the lease of its worker is not live: a store throws a `LeaseLostError`. */
export const leaseLost = 'LeaseLostError'

/** What a rescue under a limit took, and who is registered after it: which of the dead come first is nobody's promise. */
export interface RescueChoice {
  readonly rows: readonly string[]
  readonly registered: readonly string[]
}

/**
 * The contract of a store, as a program that nobody has to be quick for: all tasks in one list, in order of insertion, all
 * leases in another, every question answered by looking through them. It is written by the contract and shares nothing
 * with any store.
 */
export class Reference extends ReferenceState {
  // What producers do.

  insert(queue: string, rows: readonly NewRow[], refuseExisting: boolean): readonly Inserted[] {
    const before = this.tasks
    const inserted = rows.map((row) => this.#insert(queue, row))
    if (refuseExisting && inserted.some(({ existing }) => existing)) this.tasks = before
    return inserted
  }

  #insert(queue: string, newRow: NewRow): Inserted {
    const holder = this.find(queue, newRow.id) ?? this.keyHolder(queue, newRow.uniqueKey)
    if (holder !== undefined) return { id: holder.row.id, existing: true }
    this.tasks = [...this.tasks, started(queue, newRow, this.now)]
    return { id: newRow.id, existing: false }
  }

  // What workers do.

  register(worker: StoreWorker): void {
    const known = this.lease(worker)
    const { startedAt = this.now } = known ?? {}
    const lease = { ...worker, startedAt, lastBeatAt: this.now }
    this.leases = [...this.leases.filter((one) => one !== known), lease]
  }

  claim(worker: WorkerRef, limit: number, suspects: number): Claimed | typeof leaseLost {
    if (!this.isLive(worker)) return leaseLost
    if (this.isPaused(worker.queue)) return { rows: [] }
    let room = suspects
    const rows = this.due(worker.queue)
      .toSorted((one, other) => other.priority - one.priority || one.runAt - other.runAt)
      .filter(({ rescues }) => rescues < suspectRescues || (room -= 1) >= 0)
      .slice(0, limit)
      .map((row): ClaimedRow => this.#claim(worker, row))
    return { rows, ...this.nextDue(worker.queue) }
  }

  #claim({ queue, id }: WorkerRef, row: Row): ClaimedRow {
    const running = { ...row, status: 'running', lockedBy: id, lockedAt: this.now } as const
    const next = { ...running, epoch: row.epoch + 1, attempt: row.attempt + 1 }
    this.#replace(queue, next)
    return claimedRow(next)
  }

  settle(worker: WorkerRef, settlements: readonly StoreSettlement[]): readonly StoreSettled[] {
    return settlements.map((settlement) => this.#settle(worker, settlement))
  }

  #settle({ queue, id: worker }: WorkerRef, { id, epoch, outcome }: StoreSettlement): StoreSettled {
    const task = this.find(queue, id)
    if (task === undefined || task.row.epoch !== epoch) return 'stale'
    const { type } = outcome
    if (task.row.lockedBy === worker) {
      this.#replace(queue, ended(task.row, outcome, this.now), { worker, type })
      return 'applied'
    }
    return task.settled?.worker === worker && task.settled.type === type ? 'repeated' : 'stale'
  }

  exchange(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    suspects: number,
  ): { readonly settled: readonly StoreSettled[]; readonly claimed: Claimed } | typeof leaseLost {
    if (!this.isLive(worker)) return leaseLost
    const settled = this.settle(worker, settlements)
    const claimed = this.claim(worker, limit, suspects)
    return claimed === leaseLost ? leaseLost : { settled, claimed }
  }

  beat(worker: WorkerRef): StoreBeat | typeof leaseLost {
    const lease = this.lease(worker)
    if (lease === undefined) return leaseLost
    this.register(lease)
    const { queue, id } = worker
    const paused = this.isPaused(queue)
    const dueIn = this.due(queue).length > 0 ? { dueIn: 0 } : this.nextDue(queue)
    const running = this.rows(queue).filter(({ status }) => status === 'running')
    const lapses = running
      .filter(({ lockedBy }) => lockedBy !== id)
      .map(({ lockedBy = '' }) => Math.max(0, this.leaseEnd({ queue, id: lockedBy }) - this.now))
    return {
      leaseMs: lease.leaseMs,
      held: this.held(worker).map(({ id: task, epoch }) => ({ id: task, epoch })),
      paused,
      ...(paused ? {} : dueIn),
      ...(lapses.length > 0 && { rescueIn: Math.min(...lapses) }),
    }
  }

  rescue(
    queue: string,
    limit: number,
    { maxRescues, poison }: RescueOptions,
    { rows: chosen, registered }: RescueChoice,
  ): readonly Rescued[] {
    const rows = this.abandoned(queue)
      .toSorted((one, other) => chosenFirst(chosen, one.id, other.id))
      .slice(0, limit)
    const swept = rows.map(({ lockedBy }) => lockedBy)
    this.leases = this.leases.filter((lease) => {
      if (lease.queue !== queue || this.isLive(lease)) return true
      return (
        !swept.includes(lease.id) && this.held(lease).length > 0 && registered.includes(lease.id)
      )
    })
    return rows.map((taken): Rescued => {
      const row = { ...taken, rescues: taken.rescues + 1 }
      const dies = row.rescues >= maxRescues
      const next = dies
        ? { ...killed(row, poison, this.now), attempt: row.attempt - 1 }
        : givenBack(row)
      this.#replace(queue, next)
      return { row: next, outcome: dies ? 'killed' : 'pending' }
    })
  }

  leave(worker: WorkerRef): void {
    const lease = this.lease(worker)
    this.leases = this.leases.filter((one) => one !== lease)
    for (const row of this.held(worker)) this.#replace(worker.queue, givenBack(row))
  }

  // What administrators do.

  update(queue: string, id: string, { delayMs, ...changes }: RowChanges): Changed {
    const task = this.find(queue, id)
    if (task === undefined || !isWaiting(task.row)) return unchanged(task)
    const runAt = delayMs === undefined ? {} : { runAt: this.now + delayMs }
    this.#replace(queue, { ...task.row, ...changes, ...runAt }, task.settled)
    return { changed: true }
  }

  kill(queue: string, id: string, error: StoredError): boolean {
    const task = this.find(queue, id)
    if (task === undefined || isFinished(task.row)) return false
    this.#replace(queue, killed(task.row, error, this.now))
    return true
  }

  take(queue: string, id: string): boolean {
    const task = this.find(queue, id)
    if (task?.row.status !== 'running') return false
    this.#replace(queue, givenBack(task.row))
    return true
  }

  retry(queue: string, id: string, resetAttempts: boolean): Retried {
    const task = this.find(queue, id)
    if (task?.row.status !== 'killed') return unchanged(task)
    const row = revived(task.row, resetAttempts, this.now)
    const holder = this.holdsKey({ ...task, row })
      ? this.keyHolder(queue, task.row.uniqueKey)
      : undefined
    if (holder !== undefined && holder !== task) return { changed: false, holder: holder.row.id }
    this.#replace(queue, row)
    return { changed: true }
  }

  remove(queue: string, id: string): Changed {
    const task = this.find(queue, id)
    if (task === undefined || task.row.status === 'running') return unchanged(task)
    this.#forget([task])
    return { changed: true }
  }

  pause(queue: string, on: boolean): void {
    const others = Array.from(this.paused).filter((name) => name !== queue)
    this.paused = new Set(on ? [...others, queue] : others)
  }

  /** `gone`: whom the storage forgot. Of those that ended at the same time any may come first; at the age itself any may stay. */
  purge(
    queue: string,
    { status, olderThanMs, limit }: PurgeOptions,
    gone: readonly string[],
  ): number {
    const tasks = this.tasks
      .filter((task) => {
        if (task.queue !== queue || task.row.status !== status || this.holdsKey(task)) return false
        const over = this.now - olderThanMs - finishedAt(task)
        return over > this.drift || (over >= 0 && gone.includes(task.row.id))
      })
      .toSorted(
        (one, other) =>
          finishedAt(one) - finishedAt(other) || chosenFirst(gone, one.row.id, other.row.id),
      )
      .slice(0, limit)
    this.#forget(tasks)
    return tasks.length
  }

  #replace(queue: string, row: Row, settled?: ModelTask['settled']): void {
    this.tasks = this.tasks.map((task) =>
      task.queue === queue && task.row.id === row.id ? { ...task, row, settled } : task,
    )
  }

  #forget(tasks: readonly ModelTask[]): void {
    this.tasks = this.tasks.filter((task) => !tasks.includes(task))
  }
}

function unchanged(task: ModelTask | undefined): Changed {
  return task === undefined ? { changed: false } : { changed: false, status: task.row.status }
}

function finishedAt({ row }: ModelTask): number {
  return row.finishedAt ?? 0
}

function chosenFirst(chosen: readonly string[], one: string, other: string): number {
  return Number(chosen.includes(other)) - Number(chosen.includes(one))
}
