import type { Counts, ListFilter, QueueState, Row, WorkerRow } from '@apalis/core'
import { list, toRow, toRows } from './rows.ts'
import type { Session } from './session.ts'
import { CODES } from './sql/tables.ts'

type Reading = Pick<Session, 'calls' | 'offset'>

/** See `TaskStore.get`. */
export async function getRows(
  { calls }: Reading,
  queue: string,
  ids: readonly string[],
): Promise<readonly (Row | undefined)[]> {
  return toRows(await calls.json('get', 'get_1', [queue, ids]))
}

/** See `TaskStore.watch`. `onMark`: there is something to wait for, and it has been marked. */
export async function watchRows(
  reading: Reading,
  queue: string,
  ids: readonly string[],
  onMark: () => void,
): Promise<readonly (Row | undefined)[]> {
  const found = await getRows(reading, queue, ids)
  if (!found.some((row) => row !== undefined && !isFinished(row))) return found
  const { calls } = reading
  // Committed before it is read: whatever ends from then on is told.
  await calls.call('watch', 'mark_1', [queue, ids])
  onMark()
  return toRows(await calls.json('watch', 'watch_1', [queue, ids]))
}

/** See `TaskStore.list`. */
export async function listRows(
  { calls }: Reading,
  queue: string,
  { status, offset, limit }: ListFilter,
): Promise<readonly Row[]> {
  const code = status === undefined ? null : CODES[status]
  return list(await calls.json('list', 'list_1', [queue, code, offset, limit])).map(toRow)
}

/** See `TaskStore.count`. */
export async function countRows({ calls, offset }: Reading, queue: string): Promise<Counts> {
  const { oldestDueMs, ...counts } = (await calls.json('count', 'count_1', [
    queue,
    offset,
  ])) as Omit<Counts, 'oldestDueMs'> & { readonly oldestDueMs: number | null }
  return oldestDueMs === null ? counts : { ...counts, oldestDueMs }
}

/** See `TaskStore.queues`. */
export async function readQueues({ calls }: Reading): Promise<readonly QueueState[]> {
  // Names and switches, as the function makes them.
  return list(await calls.json('list queues', 'queues_1', [])) as readonly QueueState[]
}

/** See `TaskStore.workers`. */
export async function readWorkers(
  { calls, offset }: Reading,
  queue: string | undefined,
): Promise<readonly WorkerRow[]> {
  const workers = await calls.json('list workers', 'workers_1', [queue ?? null, offset])
  // As the function makes them.
  return list(workers) as readonly WorkerRow[]
}

function isFinished({ status }: Row): boolean {
  return status === 'done' || status === 'killed'
}
