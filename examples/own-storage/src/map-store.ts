import { isFinished, LeaseLostError, suspectRescues, systemClock } from '@apalis/core'
import type { Changed, Clock, Row, StoredError, StoreOutcome } from '@apalis/core'
import type { StoreSignal, TaskStore, WorkerRef, WorkerRow } from '@apalis/core'

// #region data
/** A row, of which nobody else ever gets more than a copy, and what only the store knows of it. */
interface Entry {
  readonly queue: string
  row: Row
  /** Until when its unique key is held; undefined: until it ends. */
  readonly keyUntil: number | undefined
  /** Which claim was settled last, by whom and how, while the row still shows that. */
  settled?: string
  awaited?: boolean
}

/** Tasks in plain Maps. Each call does all its work at once, so that no other sees half of it. */
export function mapStore({ clock = systemClock }: { readonly clock?: Clock } = {}): TaskStore {
  const waiting: readonly Row['status'][] = ['pending', 'failed']
  const fresh = { status: 'pending', attempt: 0, epoch: 0, rescues: 0, releases: 0 } as const
  const entries = new Map<string, Entry>()
  const leases = new Map<string, Omit<WorkerRow, 'live' | 'held'>>()
  const paused = new Set<string>()
  const listeners = new Set<(signal: StoreSignal) => void>()
  const keyOf = (queue: string, id: string): string => JSON.stringify([queue, id])
  const find = (queue: string, id: string): Entry | undefined => entries.get(keyOf(queue, id))
  const all = (queue: string): Entry[] => [...entries.values()].filter((one) => one.queue === queue)
  const select = (queue: string, ...statuses: readonly Row['status'][]): Entry[] =>
    all(queue).filter(({ row }) => statuses.includes(row.status))
  const held = ({ id, queue }: WorkerRef): Entry[] =>
    select(queue, 'running').filter(({ row }) => row.lockedBy === id)
  const dueIns = (queue: string): number[] =>
    select(queue, ...waiting).map(({ row }) => row.runAt - clock.now())
  const soonest = (ms: readonly number[]): number | undefined =>
    ms.length === 0 ? undefined : Math.max(0, Math.min(...ms))
  /** In how many milliseconds a lease lapses; one that is not there did so long ago. */
  const lapse = (queue: string, id = '', lease = leases.get(keyOf(queue, id))): number =>
    lease === undefined ? -Infinity : lease.lastBeatAt + lease.leaseMs - clock.now()
  const holdsKey = ({ row, keyUntil }: Entry): boolean =>
    keyUntil === undefined ? !isFinished(row.status) : clock.now() < keyUntil
  const holderOf = (queue: string, key: string | undefined): Entry | undefined =>
    key === undefined ? key : all(queue).find((one) => one.row.uniqueKey === key && holdsKey(one))
  // #endregion
  // #region change
  /** Signals are hints: told when the call has done its work, to whoever listens then. */
  const tell = (type: StoreSignal['type'], queue: string, ids?: readonly string[]): void =>
    queueMicrotask(() => listeners.forEach((hear) => hear({ type, queue, ...(ids && { ids }) })))
  /** How every row changes: whoever owned it does so no more, and whom it concerns hears of it. */
  function change(entry: Entry, changes: Partial<Row>, error?: StoredError): void {
    const { lockedBy, lockedAt, finishedAt, ...row } = entry.row
    const failures = error ? [{ ...error, at: clock.now(), attempt: row.attempt }] : []
    const errors = [...row.errors, ...failures].slice(-10)
    if (changes.status !== undefined) delete entry.settled
    entry.row = structuredClone({ ...row, errors, ...changes })
    if (waiting.includes(entry.row.status)) tell('due', entry.queue)
    else if (entry.awaited && isFinished(entry.row.status)) tell('settled', entry.queue, [row.id])
  }
  /** Back in its place, as if it had not been claimed. */
  const giveBack = (entry: Entry, changes: Partial<Row> = {}, error?: StoredError): void =>
    change(entry, { status: 'pending', attempt: entry.row.attempt - 1, ...changes }, error)
  /** What a row becomes when its claim ends so. */
  function endOf({ attempt, releases }: Row, outcome: StoreOutcome): Partial<Row> {
    const now = clock.now()
    if (outcome.type === 'released') {
      const later = outcome.dueInMs > 0 && { runAt: now + outcome.dueInMs, releases: releases + 1 }
      return { status: 'pending', attempt: attempt - 1, ...later }
    }
    const used = { status: outcome.type, releases: 0 }
    if (outcome.type === 'failed') return { ...used, runAt: now + outcome.retryInMs }
    const { result } = { result: undefined, ...outcome }
    return { ...used, finishedAt: now, ...(result !== undefined && { result }) }
  }
  /** Does something to a row that has one of these statuses. */
  function edit(queue: string, id: string, of: string[], act: (entry: Entry) => void): Changed {
    const entry = find(queue, id)
    if (entry === undefined) return { changed: false }
    if (!of.includes(entry.row.status)) return { changed: false, status: entry.row.status }
    act(entry)
    return { changed: true }
  }
  // #endregion
  return {
    // #region insert
    async insert(queue, rows, { refuseExisting = false } = {}) {
      const now = clock.now()
      const inserted = structuredClone(rows).map(({ delayMs = 0, uniqueForMs, ...given }) => {
        const holder = find(queue, given.id) ?? holderOf(queue, given.uniqueKey)
        if (holder !== undefined) return { id: holder.row.id, existing: true }
        const row = { runAt: now + delayMs, errors: [], ...given, ...fresh, createdAt: now }
        const keyUntil = uniqueForMs && now + uniqueForMs
        entries.set(keyOf(queue, row.id), { queue, row, keyUntil })
        return { id: row.id, existing: false }
      })
      if (refuseExisting && inserted.some(({ existing }) => existing)) {
        // Nothing at all: what was stored just now goes again, before anybody has seen it.
        for (const { id, existing } of inserted) if (!existing) entries.delete(keyOf(queue, id))
      } else tell('due', queue)
      return inserted
    },
    // #endregion
    // #region claim
    async claim({ id: worker, queue }, limit, { suspects }) {
      if (lapse(queue, worker) <= 0) throw new LeaseLostError(worker)
      if (paused.has(queue)) return { rows: [] }
      const now = clock.now()
      let suspectsLeft: number = suspects
      const claimed = select(queue, ...waiting)
        .filter(({ row }) => row.runAt <= now)
        // Of equals the one comes first that was inserted first: a Map keeps that order.
        .toSorted((a, b) => b.row.priority - a.row.priority || a.row.runAt - b.row.runAt)
        .filter(({ row }) => row.rescues < suspectRescues || suspectsLeft-- > 0)
        .slice(0, limit)
      const rows = claimed.map((entry) => {
        const { attempt, epoch } = entry.row
        const claim = { attempt: attempt + 1, epoch: epoch + 1, lockedBy: worker, lockedAt: now }
        change(entry, { status: 'running', ...claim })
        return { ...structuredClone(entry.row), lockedAt: now }
      })
      const dueIn = soonest(dueIns(queue).filter((ms) => ms > 0))
      return { rows, ...(dueIn !== undefined && { dueIn }) }
    },
    // #endregion
    // #region settle
    async settle({ id: worker, queue }, settlements) {
      return settlements.map(({ id, epoch, outcome }) => {
        const entry = find(queue, id)
        if (entry?.row.epoch !== epoch) return 'stale'
        const settled = `${epoch} by ${worker}: ${outcome.type}`
        if (entry.row.lockedBy !== worker) return entry.settled === settled ? 'repeated' : 'stale'
        const error = outcome.type === 'done' ? undefined : outcome.error
        change(entry, endOf(entry.row, outcome), error)
        entry.settled = settled
        return 'applied'
      })
    },
    // #endregion
    // #region lease
    async register(worker) {
      const [key, now] = [keyOf(worker.queue, worker.id), clock.now()]
      const { startedAt = now } = leases.get(key) ?? {}
      leases.set(key, { ...structuredClone(worker), startedAt, lastBeatAt: now })
    },
    async beat(worker) {
      const { id, queue } = worker
      const lease = leases.get(keyOf(queue, id))
      if (lease === undefined) throw new LeaseLostError(id)
      leases.set(keyOf(queue, id), { ...lease, lastBeatAt: clock.now() })
      const others = select(queue, 'running').filter(({ row }) => row.lockedBy !== id)
      const rescueIn = soonest(others.map(({ row }) => lapse(queue, row.lockedBy)))
      const dueIn = soonest(paused.has(queue) ? [] : dueIns(queue))
      return {
        leaseMs: lease.leaseMs,
        held: held(worker).map(({ row }) => ({ id: row.id, epoch: row.epoch })),
        paused: paused.has(queue),
        ...(dueIn !== undefined && { dueIn }),
        ...(rescueIn !== undefined && { rescueIn }),
      }
    },
    async leave(worker) {
      leases.delete(keyOf(worker.queue, worker.id))
      for (const entry of held(worker)) giveBack(entry)
    },
    // #endregion
    // #region rescue
    async rescue(queue, limit, { maxRescues, poison }) {
      // First the leases end: from now on their workers are told that they have lost them.
      for (const { id, queue: of } of leases.values()) {
        if (of === queue && lapse(queue, id) <= 0) leases.delete(keyOf(queue, id))
      }
      // Then what is run by nobody who is registered: also what an earlier rescue left over.
      const orphans = select(queue, 'running').filter(({ row }) => lapse(queue, row.lockedBy) <= 0)
      return orphans.slice(0, limit).map((entry) => {
        const rescues = entry.row.rescues + 1
        const dead = rescues >= maxRescues
        if (dead) giveBack(entry, { rescues, status: 'killed', finishedAt: clock.now() }, poison)
        else giveBack(entry, { rescues })
        return { row: structuredClone(entry.row), outcome: dead ? 'killed' : 'pending' }
      })
    },
    // #endregion
    get: async (queue, ids) => ids.map((id) => structuredClone(find(queue, id)?.row)),
    async list(queue, { status, offset, limit }) {
      const found = status === undefined ? all(queue) : select(queue, status)
      return found.slice(offset, offset + limit).map(({ row }) => structuredClone(row))
    },
    async count(queue) {
      const counts = { pending: 0, running: 0, done: 0, failed: 0, killed: 0 }
      for (const { row } of all(queue)) counts[row.status] += 1
      const due = dueIns(queue).filter((ms) => ms <= 0)
      const oldest = due.length > 0 && { oldestDueMs: 0 - Math.min(...due) }
      return { ...counts, due: due.length, ...oldest }
    },
    async queues() {
      const names = new Set([...paused, ...Array.from(entries.values(), ({ queue }) => queue)])
      return Array.from(names, (name) => ({ name, paused: paused.has(name) }))
    },
    async workers(queue) {
      const found = [...leases.values()].filter((one) => queue === undefined || one.queue === queue)
      const live = (one: WorkerRef): boolean => lapse(one.queue, one.id) > 0
      return found.map((one) => ({ ...one, live: live(one), held: held(one).length }))
    },
    async update(queue, id, { delayMs, ...given }) {
      const changes = { ...given, ...(delayMs !== undefined && { runAt: clock.now() + delayMs }) }
      return edit(queue, id, [...waiting], (entry) => change(entry, changes))
    },
    async kill(queue, id, error) {
      return edit(queue, id, [...waiting, 'running'], (entry) => {
        if (entry.row.status === 'running') tell('killed', queue, [id])
        change(entry, { status: 'killed', finishedAt: clock.now() }, error)
      }).changed
    },
    take: async (queue, id) => edit(queue, id, ['running'], (entry) => giveBack(entry)).changed,
    async retry(queue, id, { resetAttempts }) {
      const entry = find(queue, id)
      if (entry?.row.status !== 'killed') return edit(queue, id, ['killed'], () => {})
      const late = (entry.keyUntil ?? Infinity) <= clock.now()
      const holder = late ? entry : (holderOf(queue, entry.row.uniqueKey) ?? entry)
      if (holder !== entry) return { changed: false, holder: holder.row.id }
      const attempt = resetAttempts ? 0 : entry.row.attempt
      change(entry, { status: 'pending', attempt, rescues: 0, releases: 0, runAt: clock.now() })
      return { changed: true }
    },
    async remove(queue, id) {
      return edit(queue, id, [...waiting, 'done', 'killed'], ({ awaited }) => {
        entries.delete(keyOf(queue, id))
        if (awaited) tell('settled', queue, [id])
      })
    },
    async pause(queue, on) {
      paused[on ? 'add' : 'delete'](queue)
      tell(on ? 'paused' : 'resumed', queue)
    },
    async purge(queue, { status, olderThanMs, limit }) {
      const ageOf = ({ row }: Entry): number => clock.now() - (row.finishedAt ?? Infinity)
      const old = select(queue, status).filter((one) => ageOf(one) > olderThanMs && !holdsKey(one))
      const gone = old.toSorted((a, b) => ageOf(b) - ageOf(a)).slice(0, limit)
      for (const { row } of gone) entries.delete(keyOf(queue, row.id))
      return gone.length
    },
    async listen(onSignal) {
      listeners.add(onSignal)
      return { [Symbol.asyncDispose]: async () => void listeners.delete(onSignal) }
    },
    async watch(queue, ids) {
      for (const id of ids) Object.assign(find(queue, id) ?? {}, { awaited: true })
      return this.get(queue, ids)
    },
  }
}
