import type {
  Claimed,
  ClaimedRow,
  ClaimOptions,
  Counts,
  Inserted,
  NewRow,
  Rescued,
  RescueOptions,
  StoreBeat,
  StoreOutcome,
  StoreSettled,
  StoreSettlement,
} from '../task-store.ts'
import { suspectRescues } from '../task-store.ts'
import { addError, claimedRow, MemoryRow, wholeRow } from './memory-row.ts'
import { type Post, type QueueLog, QueueRows } from './queue-rows.ts'

/** What producers and workers do with one queue. `now` is the storage's time, read once for each call. */
export class MemoryQueue {
  readonly name: string
  readonly rows: QueueRows
  readonly #post: Post
  readonly #log: QueueLog | undefined
  #paused = false

  constructor(name: string, keepFinished: number, post: Post, log?: QueueLog) {
    this.name = name
    this.#log = log
    this.rows = new QueueRows(keepFinished, post, log)
    this.#post = post
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Whether nothing would be lost with it. */
  get vacant(): boolean {
    return this.rows.size === 0 && this.rows.incarnations.size === 0 && !this.#paused
  }

  /** See `TaskStore.pause`. */
  pause(on: boolean): void {
    if (this.#paused === on) return
    this.#paused = on
    this.#log?.paused(on)
    this.#post(on ? 'paused' : 'resumed')
  }

  /** See `TaskStore.insert`. */
  insert(newRows: readonly NewRow[], refuseExisting: boolean, now: number): Inserted[] {
    // All are made before any is stored: what cannot be copied leaves nothing behind.
    const rows = newRows.map((newRow) => new MemoryRow(newRow, now))
    if (refuseExisting) {
      const foreseen = this.#foresee(rows, now)
      if (foreseen.some(({ existing }) => existing)) return foreseen
    }
    let stored = false
    const inserted = rows.map((row): Inserted => {
      const existing = this.rows.existing(row, now)
      if (existing !== undefined) return { id: existing.id, existing: true }
      this.rows.store(row, now)
      stored = true
      return { id: row.id, existing: false }
    })
    if (stored) this.#post('due')
    return inserted
  }

  /** What an insert of the rows would answer. */
  #foresee(rows: readonly MemoryRow[], now: number): Inserted[] {
    const ids = new Set<string>()
    const keys = new Map<string, string>()
    return rows.map((row) => {
      const { id, uniqueKey = '' } = row
      const taken = ids.has(id) ? id : (this.rows.existing(row, now)?.id ?? keys.get(uniqueKey))
      if (taken !== undefined) return { id: taken, existing: true }
      ids.add(id)
      if (uniqueKey !== '') keys.set(uniqueKey, id)
      return { id, existing: false }
    })
  }

  /** See `TaskStore.claim`. */
  claim(worker: string, limit: number, { suspects }: ClaimOptions, now: number): Claimed {
    const holder = this.rows.incarnations.live(worker, now)
    if (this.#paused) return { rows: [] }
    this.rows.promote(now)
    const claimed: ClaimedRow[] = []
    let suspectsLeft: number = suspects
    while (claimed.length < limit) {
      const row = this.rows.next(suspectsLeft > 0)
      if (row === undefined) break
      if (row.rescues >= suspectRescues) suspectsLeft -= 1
      this.rows.claim(row, holder, now)
      claimed.push(claimedRow(row))
    }
    const nextRunAt = this.rows.nextRunAt()
    return { rows: claimed, ...(nextRunAt !== undefined && { dueIn: nextRunAt - now }) }
  }

  /** See `TaskStore.settle`. */
  settle(worker: string, settlements: readonly StoreSettlement[], now: number): StoreSettled[] {
    return settlements.map(({ id, epoch, outcome }) => {
      const row = this.rows.get(id)
      if (row === undefined || row.epoch !== epoch) return 'stale'
      if (row.holder?.id === worker) {
        this.#write(row, outcome, now)
        row.settledAs = outcome.type
        row.settledBy = worker
        return 'applied'
      }
      return row.settledAs === outcome.type && row.settledBy === worker ? 'repeated' : 'stale'
    })
  }

  #write(row: MemoryRow, outcome: StoreOutcome, now: number): void {
    if (outcome.type !== 'done' && outcome.error !== undefined) addError(row, outcome.error, now)
    if (outcome.type !== 'released') row.releases = 0
    switch (outcome.type) {
      case 'done':
        row.result = outcome.result
        return this.rows.end(row, 'done', now)
      case 'killed':
        return this.rows.end(row, 'killed', now)
      case 'failed':
        return this.rows.defer(row, 'failed', outcome.retryInMs, now)
      case 'released':
        if (outcome.dueInMs === 0) return this.rows.giveBack(row)
        row.releases += 1
        return this.rows.defer(row, 'pending', outcome.dueInMs, now)
    }
  }

  /** See `TaskStore.beat`. */
  beat(worker: string, now: number): StoreBeat {
    const { incarnation, lease } = this.rows.incarnations.renew(worker, now)
    const dueIn = this.#paused ? undefined : this.#dueIn(now)
    const rescueIn = this.rows.incarnations.rescueIn(worker, now)
    return {
      leaseMs: lease.leaseMs,
      held: incarnation.held.all().map(({ id, epoch }) => ({ id, epoch })),
      paused: this.#paused,
      ...(dueIn !== undefined && { dueIn }),
      ...(rescueIn !== undefined && { rescueIn }),
    }
  }

  #dueIn(now: number): number | undefined {
    this.rows.promote(now)
    if (this.rows.due > 0) return 0
    const nextRunAt = this.rows.nextRunAt()
    return nextRunAt === undefined ? undefined : nextRunAt - now
  }

  /** See `TaskStore.rescue`. */
  rescue(limit: number, options: RescueOptions, now: number): Rescued[] {
    const rescued: Rescued[] = []
    for (const incarnation of this.rows.incarnations.sweep(now)) {
      if (rescued.length >= limit) continue
      this.rows.incarnations.end(incarnation)
      for (const row of incarnation.held.all()) {
        if (rescued.length >= limit) break
        rescued.push(this.#rescue(row, options, now))
      }
    }
    return rescued
  }

  #rescue(row: MemoryRow, { maxRescues, poison }: RescueOptions, now: number): Rescued {
    row.rescues += 1
    if (row.rescues < maxRescues) {
      this.rows.giveBack(row)
      return { row: wholeRow(row), outcome: 'pending' }
    }
    addError(row, poison, now)
    row.attempt -= 1
    this.rows.end(row, 'killed', now)
    return { row: wholeRow(row), outcome: 'killed' }
  }

  /** See `TaskStore.leave`. */
  leave(worker: string): void {
    const incarnation = this.rows.incarnations.find(worker)
    if (incarnation === undefined) return
    this.rows.incarnations.end(incarnation)
    for (const row of incarnation.held.all()) this.rows.giveBack(row)
  }

  /** See `TaskStore.count`. */
  count(now: number): Counts {
    this.rows.promote(now)
    const oldest = this.rows.oldestRunAt()
    return {
      ...this.rows.counts,
      due: this.rows.due,
      ...(oldest !== undefined && { oldestDueMs: Math.max(0, now - oldest) }),
    }
  }
}
