import {
  type Claimed,
  type ClaimedRow,
  type Inserted,
  type NewRow,
  type Rescued,
  type Retried,
  type Row,
  type RowChanges,
  type StoreBeat,
  type StoreSettled,
  type StoreSettlement,
  suspectRescues,
  type WorkerRef,
} from '../../storage/task-store.ts'
import { AHEAD_MS } from './leases.ts'
import { checkSettlement } from './settlements.ts'
import {
  checkRow,
  giveBack,
  holdsKey,
  isOver,
  miscounted,
  newTask,
  type StoredTask,
  type StoredTasksDeps,
} from './stored-task.ts'

/**
 * One queue as the answers of its storage tell it, and whether these answers can be true together: every answer is given
 * here in the order in which the storage gave them, those that never arrived included.
 */
export class StoredTasks {
  readonly #deps: StoredTasksDeps
  readonly #byId = new Map<string, StoredTask>()
  /** Outcomes that were ever applied, by task, epoch and type. */
  readonly #outcomes = new Set<string>()
  paused = false
  /** So many of those that have ended are gone; which ones shows when they are missed. */
  #purged = 0

  constructor(deps: StoredTasksDeps) {
    this.#deps = deps
  }

  all(): readonly StoredTask[] {
    return [...this.#byId.values()]
  }

  find(id: string): StoredTask | undefined {
    return this.#byId.get(id)
  }

  /** Whether a claim has ever ended so. */
  hasEnded(id: string, epoch: number, type: string): boolean {
    return this.#outcomes.has(`${id}@${epoch} ${type}`)
  }

  inserted(rows: readonly NewRow[], answers: readonly Inserted[]): void {
    const { history, storageNow } = this.#deps
    for (const [index, row] of rows.entries()) {
      const answer = answers[index]
      if (answer === undefined) continue
      const known = this.#byId.get(answer.id)
      if (known !== undefined && !answer.existing && this.#isPurged(known)) known.status = 'removed'
      const there = known !== undefined && known.status !== 'removed'
      if (answer.existing) {
        if (!there) history.fail('nothing lost', `a push met ${answer.id}, which is not there`)
        else if (answer.id !== row.id) this.#checkHolder(row, known)
        continue
      }
      if (there) history.fail('uniqueness', `${answer.id} was stored twice`)
      const task = newTask(row, storageNow())
      this.#checkKey(task)
      if (known !== undefined) this.#deps.onAnew(row.id)
      this.#byId.set(row.id, task)
      history.progress()
    }
  }

  claimed(worker: WorkerRef, limit: number, suspects: number, { rows }: Claimed): void {
    const { history, leases } = this.#deps
    const name = leases.nameOf(worker.id)
    if (leases.hasLapsed(worker.id)) {
      history.fail('one owner', `${name} claimed although its lease has lapsed`)
    }
    if (rows.length > limit) {
      history.fail('bounded', `${name} asked for ${limit} and got ${rows.length}`)
    }
    if (rows.length > 0 && this.paused) {
      history.fail('order', `${name} claimed from a queue that is paused`)
    }
    const suspicious = rows.filter(({ rescues }) => rescues >= suspectRescues)
    if (suspicious.length > suspects) {
      const ids = suspicious.map(({ id }) => id).join(' ')
      history.fail(
        'budgets',
        `${name} got ${suspicious.length} suspects, ${suspects} may be: ${ids}`,
      )
    }
    for (const row of rows) this.#claimed(worker, name, row)
  }

  #claimed(worker: WorkerRef, name: string, row: ClaimedRow): void {
    const { history, leases, latest } = this.#deps
    const task = this.#byId.get(row.id)
    if (task === undefined || task.status === 'removed') {
      history.fail('contract', `${name} claimed ${row.id}, which is not there`)
      return
    }
    if (task.status === 'running') {
      const holder = leases.nameOf(task.holder ?? '')
      history.fail('one owner', `${name} claimed ${row.id}, which ${holder} holds`)
    } else if (isOver(task)) {
      history.fail('terminal rows stay', `${name} claimed ${row.id}, which is ${task.status}`)
    }
    if (row.epoch <= task.epoch) {
      history.fail('fence', `${row.id} was claimed under epoch ${row.epoch} after ${task.epoch}`)
    }
    if (task.dueAt > latest() + AHEAD_MS) {
      const early = task.dueAt - latest()
      history.fail('order', `${name} claimed ${row.id} ${early} ms before it was due`)
    }
    const wrong = miscounted(task, row)
    if (wrong !== undefined) history.fail('budgets', wrong)
    task.status = 'running'
    task.epoch = row.epoch
    task.attempt += 1
    task.holder = worker.id
    task.settled = undefined
    history.progress()
  }

  settled(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    answers: readonly StoreSettled[],
  ): void {
    for (const [index, one] of settlements.entries()) {
      const answer = answers[index]
      const task = this.#byId.get(one.id)
      // It may be gone: then nobody knows any more how it has ended.
      if (answer === 'stale' && task !== undefined && isOver(task) && this.#purged > 0) continue
      checkSettlement(this.#deps, task, worker, one, answer)
      if (answer === 'applied') this.#outcomes.add(`${one.id}@${one.epoch} ${one.outcome.type}`)
    }
  }

  beaten(worker: WorkerRef, { held }: StoreBeat): void {
    const own = this.all().filter(({ holder }) => holder === worker.id)
    const agrees = own.every(({ id, epoch }) =>
      held.some((claim) => claim.id === id && claim.epoch === epoch),
    )
    if (agrees && held.length === own.length) return
    const [told, known] = [held, own].map(
      (claims) => claims.map(({ id, epoch }) => `${id}@${epoch}`).join(' ') || 'nothing',
    )
    const name = this.#deps.leases.nameOf(worker.id)
    this.#deps.history.fail('contract', `${name} is told to hold ${told}, and holds ${known}`)
  }

  left(worker: string): void {
    for (const task of this.all()) {
      if (task.holder !== worker) continue
      giveBack(task)
      this.#deps.history.progress()
    }
  }

  /** Answers with those that were killed, as they were before. */
  rescued(answers: readonly Rescued[]): readonly StoredTask[] {
    const { history, leases, maxRescues } = this.#deps
    const killed: StoredTask[] = []
    const swept = new Set<string>()
    for (const { row, outcome } of answers) {
      const task = this.#byId.get(row.id)
      if (task === undefined || task.status !== 'running') {
        history.fail('one owner', `${row.id} was rescued, and is ${task?.status ?? 'not there'}`)
        continue
      }
      const holder = task.holder ?? ''
      if (!swept.has(holder) && leases.isLive(holder)) {
        history.fail('one owner', `${row.id} was taken from ${leases.nameOf(holder)}, which lives`)
      }
      swept.add(holder)
      leases.ended(holder)
      const before = { ...task }
      giveBack(task)
      task.rescues += 1
      const kills = task.rescues >= maxRescues
      if (row.rescues !== task.rescues || kills !== (outcome === 'killed')) {
        const { rescues } = row
        history.fail(
          'budgets',
          `${row.id} is ${outcome} at rescue ${task.rescues}, told as ${rescues}`,
        )
      }
      if (outcome === 'killed') {
        task.status = 'killed'
        killed.push(before)
      }
      history.progress()
    }
    return killed
  }

  killed(id: string, did: boolean): void {
    const task = did ? this.#changing(id, 'killed', ['pending', 'failed', 'running']) : undefined
    if (task === undefined) return
    if (task.status === 'running') this.#deps.onRevoked(id, task.epoch, 'killed')
    task.status = 'killed'
    task.holder = undefined
    task.settled = undefined
  }

  taken(id: string, did: boolean): void {
    const task = did ? this.#changing(id, 'taken', ['running']) : undefined
    if (task === undefined) return
    this.#deps.onRevoked(id, task.epoch, 'taken')
    giveBack(task)
  }

  retried(id: string, answer: Retried, resetAttempts: boolean): void {
    const task = answer.changed ? this.#changing(id, 'retried', ['killed']) : undefined
    if (task === undefined) return
    task.status = 'pending'
    task.rescues = 0
    task.releases = 0
    if (resetAttempts) task.attempt = 0
    task.settled = undefined
    task.dueAt = this.#deps.storageNow()
    this.#checkKey(task)
    this.#deps.onRetried(id)
  }

  removed(id: string, did: boolean): void {
    const others = ['pending', 'failed', 'done', 'killed'] as const
    const task = did ? this.#changing(id, 'removed', others) : undefined
    if (task !== undefined) task.status = 'removed'
  }

  updated(id: string, did: boolean, { runAt, delayMs }: RowChanges): void {
    const task = did ? this.#changing(id, 'changed', ['pending', 'failed']) : undefined
    if (task === undefined) return
    if (delayMs !== undefined) task.dueAt = this.#deps.storageNow() + delayMs
    else if (runAt !== undefined) task.dueAt = runAt
  }

  purged(count: number): void {
    this.#purged += count
  }

  /** Compares with what the storage lists. */
  audit(rows: readonly Row[]): void {
    const stored = new Map(rows.map((row) => [row.id, row]))
    for (const task of this.all()) {
      const row = stored.get(task.id)
      stored.delete(task.id)
      if (row === undefined && this.#isPurged(task)) task.status = 'removed'
      checkRow(this.#deps, task, row)
    }
    const { history } = this.#deps
    for (const id of stored.keys()) history.fail('contract', `nobody has pushed ${id}`)
  }

  /** A task that somebody has changed from outside; its status must have been one of these. */
  #changing(id: string, how: string, from: readonly Row['status'][]): StoredTask | undefined {
    const { history } = this.#deps
    const task = this.#byId.get(id)
    if (task === undefined) return undefined
    if (!from.some((status) => status === task.status)) {
      const invariant = isOver(task) ? 'terminal rows stay' : 'contract'
      history.fail(invariant, `${id} was ${how}, and is ${task.status}`)
    }
    history.progress()
    return task
  }

  /** Whether a task that is not there may have been purged. */
  #isPurged(task: StoredTask): boolean {
    if (this.#purged === 0 || task.status === 'removed' || !isOver(task)) return false
    this.#purged -= 1
    return true
  }

  /** A push has met the task that holds its key. */
  #checkHolder({ id, uniqueKey }: NewRow, holder: StoredTask): void {
    if (holder.key === uniqueKey && holdsKey(holder, this.#deps.storageNow())) return
    const { history } = this.#deps
    history.fail('uniqueness', `${id} met ${holder.id}, which does not hold the key ${uniqueKey}`)
  }

  /** The task takes its key. */
  #checkKey(task: StoredTask): void {
    const now = this.#deps.storageNow()
    if (!holdsKey(task, now)) return
    const other = this.all().find(
      (one) => one.id !== task.id && one.key === task.key && holdsKey(one, now),
    )
    if (other === undefined) return
    const { history } = this.#deps
    history.fail('uniqueness', `${task.id} and ${other.id} both hold the key ${task.key}`)
  }
}
