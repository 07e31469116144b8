import type { ClaimedRow, NewRow, Row, StoreOutcome } from '../../storage/task-store.ts'
import type { History } from './history.ts'
import type { Leases } from './leases.ts'

/** A task, as the answers of the storage tell it. */
export interface StoredTask {
  readonly id: string
  readonly attempts: number
  readonly key: string | undefined
  /** Until when the key is held whatever happens, by the storage's clock. */
  readonly keyUntil: number | undefined
  status: Row['status'] | 'removed'
  epoch: number
  attempt: number
  /** When it is due, by the storage's clock. */
  dueAt: number
  rescues: number
  releases: number
  /** Who holds it, while it is running. */
  holder: string | undefined
  /** What the last claim ended with, while that is what the task shows. */
  settled: Settled | undefined
}

/** How a claim has ended. */
export interface Settled {
  readonly epoch: number
  readonly by: string
  readonly as: StoreOutcome['type']
}

/** What the checks of the storage's answers work with. */
export interface StoredTasksDeps {
  readonly history: History
  readonly leases: Leases
  readonly storageNow: () => number
  /** The latest that the storage's clock has shown: what has become due stays so when that is set back. */
  readonly latest: () => number
  readonly maxRescues: number
  /** What is known of the run of a claim. */
  readonly runOf: (id: string, epoch: number) => RunEnd | undefined
  /** Somebody ended or took a claim from outside. */
  readonly onRevoked: (id: string, epoch: number, how: 'killed' | 'taken') => void
  /** A task that was removed is there again: its epochs begin anew. */
  readonly onAnew: (id: string) => void
  /** A killed task runs again. */
  readonly onRetried: (id: string) => void
}

/** How a run has ended, if it has. */
export interface RunEnd {
  returned: boolean
  /** The shutdown has interrupted it. */
  interrupted: boolean
}

/** A task that was stored just now. */
export function newTask(row: NewRow, now: number): StoredTask {
  return {
    id: row.id,
    attempts: row.attempts,
    key: row.uniqueKey,
    keyUntil: row.uniqueForMs === undefined ? undefined : now + row.uniqueForMs,
    status: 'pending',
    epoch: 0,
    attempt: 0,
    dueAt: row.runAt ?? now + (row.delayMs ?? 0),
    rescues: 0,
    releases: 0,
    holder: undefined,
    settled: undefined,
  }
}

/** Whether it has ended. */
export function isOver({ status }: Pick<StoredTask, 'status'>): boolean {
  return status === 'done' || status === 'killed' || status === 'removed'
}

/** Whether it holds its key at `now`. */
export function holdsKey(task: StoredTask, now: number): boolean {
  if (task.key === undefined || task.status === 'removed') return false
  return task.keyUntil === undefined ? !isOver(task) : now < task.keyUntil
}

/** The task waits again, its attempt given back. */
export function giveBack(task: StoredTask): void {
  task.status = 'pending'
  task.holder = undefined
  task.attempt -= 1
}

/** What a claimed row counts otherwise than it should; undefined: nothing. */
export function miscounted(task: StoredTask, row: ClaimedRow): string | undefined {
  for (const count of ['rescues', 'releases'] as const) {
    if (row[count] !== task[count]) {
      return `${row.id} counts ${row[count]} ${count} where there were ${task[count]}`
    }
  }
  if (row.attempt === task.attempt + 1) return undefined
  return `${row.id} has its attempt ${row.attempt} after ${task.attempt}`
}

/** Compares with what the storage lists. */
export function checkRow(
  { history, leases }: Pick<StoredTasksDeps, 'history' | 'leases'>,
  task: StoredTask,
  row: Row | undefined,
): void {
  const { id, status, epoch, holder } = task
  if (status === 'removed') {
    if (row !== undefined) history.fail('contract', `${id} was removed, and is there`)
  } else if (row === undefined) {
    history.fail('nothing lost', `${id} was ${status}, and is gone`)
  } else if (row.status !== status) {
    const invariant = isOver(task) ? 'terminal rows stay' : 'nothing lost'
    history.fail(invariant, `${id} was ${status}, and is ${row.status}`)
  } else if (row.epoch !== epoch) {
    history.fail('fence', `${id} has epoch ${row.epoch} after ${epoch}`)
  } else if (row.lockedBy !== holder) {
    const [is, was] = [row.lockedBy, holder].map((worker) => leases.nameOf(worker ?? ''))
    history.fail('one owner', `${id} is held by ${is}, and was claimed by ${was}`)
  }
}
