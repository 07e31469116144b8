import assert from 'node:assert/strict'
import type { StoredError } from '../../errors/stored-error.ts'
import type {
  ClaimedRow,
  NewRow,
  Row,
  StoreOutcome,
  StoreSettlement,
  StoreWorker,
  TaskStore,
} from '../../storage/task-store.ts'

/** The queue of most cases. */
export const queue = 'work'

/** The lease that workers are registered with. */
export const leaseMs = 30_000

/** What rows that die too often are killed with. */
export const rescuing: { readonly maxRescues: number; readonly poison: StoredError } = {
  maxRescues: 3,
  poison: { name: 'PoisonError', message: 'it died too often', code: 'ERR_TASK_POISON' },
}

/** An error to store. */
export function stored(message: string): StoredError {
  return { name: 'Error', message }
}

/** A row to insert. */
export function newRow(id: string, row: Partial<NewRow> = {}): NewRow {
  return { id, args: JSON.stringify(id), priority: 0, attempts: 5, ...row }
}

/** Inserts rows with these ids, in this order. */
export async function insert<Tx>(store: TaskStore<Tx>, ...ids: readonly string[]): Promise<void> {
  await store.insert(
    queue,
    ids.map((id) => newRow(id)),
  )
}

/** Registers an incarnation. */
export async function enlist<Tx>(
  store: TaskStore<Tx>,
  id: string,
  of: string = queue,
): Promise<StoreWorker> {
  const worker: StoreWorker = { id, name: `name of ${id}`, queue: of, leaseMs, layers: ['outer'] }
  await store.register(worker)
  return worker
}

/** Claims, with room for a suspect unless told otherwise. */
export async function claim<Tx>(
  store: TaskStore<Tx>,
  worker: StoreWorker,
  limit = 100,
  suspects: 0 | 1 = 1,
): Promise<readonly ClaimedRow[]> {
  return (await store.claim(worker, limit, { suspects })).rows
}

/** Claims what must be exactly one row. */
export async function claimOne<Tx>(store: TaskStore<Tx>, worker: StoreWorker): Promise<ClaimedRow> {
  const [row, ...others] = await claim(store, worker, 1)
  assert.ok(row, 'the claim brought nothing')
  assert.equal(others.length, 0)
  return row
}

/** The end of a claim. */
export function settlement(
  { id, epoch }: { readonly id: string; readonly epoch: number },
  outcome: StoreOutcome = { type: 'done' },
): StoreSettlement {
  return { id, epoch, outcome }
}

/** Ends one claim, and expects that to be applied. */
export async function settle<Tx>(
  store: TaskStore<Tx>,
  worker: StoreWorker,
  row: ClaimedRow,
  outcome?: StoreOutcome,
): Promise<void> {
  assert.deepEqual(await store.settle(worker, [settlement(row, outcome)]), ['applied'])
}

/** Reads one row. */
export async function read<Tx>(store: TaskStore<Tx>, id: string, of: string = queue): Promise<Row> {
  const [row] = await store.get(of, [id])
  assert.ok(row, `row ${id} is not stored`)
  return row
}

/** The ids of rows. */
export function ids(rows: readonly { readonly id: string }[]): readonly string[] {
  return rows.map(({ id }) => id)
}

/** An iteration's worth of distinct ids: `prefix-0`, `prefix-1`, … */
export function numbered(count: number, prefix = 'task'): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
}

/** Asserts that `ms` lies in a range. */
export function between(ms: number | undefined, least: number, most: number): void {
  assert.ok(
    ms !== undefined && ms >= least && ms <= most,
    `expected ${least} to ${most} ms, got ${ms}`,
  )
}
