import type {
  Counts,
  ListFilter,
  QueueState,
  Row,
  StoreWorker,
  WorkerRef,
  WorkerRow,
} from '../../storage/task-store.ts'
import { isFinished, isWaiting, type ModelTask } from './reference-task.ts'

/** A registered incarnation. */
export type Lease = Pick<WorkerRow, 'startedAt' | 'lastBeatAt'> & StoreWorker

/** All that the model knows, and what can be asked of it without changing anything. */
export class ReferenceState {
  /** The storage's time. */
  now: number
  /** In order of insertion. */
  tasks: readonly ModelTask[] = []
  leases: readonly Lease[] = []
  paused: ReadonlySet<string> = new Set()

  /** By how much the storage's time may be behind `now`. */
  readonly drift: number

  constructor(now: number, drift = 0) {
    this.now = now
    this.drift = drift
  }

  /** All of this as it is now, whatever happens later. */
  snapshot(): ReferenceState {
    const { tasks, leases, paused } = this
    return Object.assign(new ReferenceState(this.now, this.drift), { tasks, leases, paused })
  }

  // What anybody reads.

  /** The rows of a queue, in order of insertion. */
  rows(queue: string): readonly Row[] {
    return this.tasks.filter((task) => task.queue === queue).map(({ row }) => row)
  }

  get(queue: string, ids: readonly string[]): readonly (Row | undefined)[] {
    return ids.map((id) => this.find(queue, id)?.row)
  }

  list(queue: string, { status, offset, limit }: ListFilter): readonly Row[] {
    return this.rows(queue)
      .filter((row) => status === undefined || row.status === status)
      .slice(offset, offset + limit)
  }

  count(queue: string): Counts {
    const rows = this.rows(queue)
    const due = this.due(queue)
    const of = (wanted: Row['status']): number => rows.filter((row) => row.status === wanted).length
    const oldest = Math.min(...due.map(({ runAt }) => runAt))
    return {
      pending: of('pending'),
      running: of('running'),
      done: of('done'),
      failed: of('failed'),
      killed: of('killed'),
      due: due.length,
      ...(due.length > 0 && { oldestDueMs: this.now - oldest }),
    }
  }

  queues(): readonly QueueState[] {
    const names = new Set([...this.tasks.map(({ queue }) => queue), ...this.paused])
    return Array.from(names, (name) => ({ name, paused: this.isPaused(name) }))
  }

  workers(queue?: string): readonly WorkerRow[] {
    return this.leases
      .filter((lease) => queue === undefined || lease.queue === queue)
      .map((lease) => ({ ...lease, live: this.isLive(lease), held: this.held(lease).length }))
  }

  // What the rules speak of.

  find(queue: string, id: string): ModelTask | undefined {
    return this.tasks.find((task) => task.queue === queue && task.row.id === id)
  }

  lease({ queue, id }: WorkerRef): Lease | undefined {
    return this.leases.find((lease) => lease.queue === queue && lease.id === id)
  }

  isLive(worker: WorkerRef): boolean {
    return this.now < this.leaseEnd(worker)
  }

  isPaused(queue: string): boolean {
    return this.paused.has(queue)
  }

  held({ queue, id }: WorkerRef): readonly Row[] {
    return this.rows(queue).filter(({ lockedBy }) => lockedBy === id)
  }

  /** What a rescue takes. */
  abandoned(queue: string): readonly Row[] {
    return this.rows(queue).filter(
      ({ status, lockedBy: id = '' }) => status === 'running' && !this.isLive({ queue, id }),
    )
  }

  due(queue: string): readonly Row[] {
    return this.rows(queue).filter((row) => isWaiting(row) && row.runAt <= this.now)
  }

  keyHolder(queue: string, key: string | undefined): ModelTask | undefined {
    return this.tasks.find(
      (task) => task.queue === queue && task.row.uniqueKey === key && this.holdsKey(task),
    )
  }

  holdsKey({ row, uniqueForMs }: ModelTask): boolean {
    if (row.uniqueKey === undefined) return false
    return uniqueForMs === undefined ? !isFinished(row) : this.now < row.createdAt + uniqueForMs
  }

  /** When the lease of a worker lapses: before all time when there is none. */
  leaseEnd(worker: WorkerRef): number {
    const lease = this.lease(worker)
    return lease === undefined ? Number.NEGATIVE_INFINITY : lease.lastBeatAt + lease.leaseMs
  }

  /** In how long the next row is due that is not due yet. */
  nextDue(queue: string): { readonly dueIn?: number } {
    const later = this.rows(queue).filter((row) => isWaiting(row) && row.runAt > this.now)
    const next = Math.min(...later.map(({ runAt }) => runAt))
    return later.length > 0 ? { dueIn: next - this.now } : {}
  }
}
