import type { StoredError } from '../../errors/stored-error.ts'
import { isFinished } from '../../task/status.ts'
import type { Changed, ListFilter, Retried, Row, RowChanges } from '../task-store.ts'
import { frozenCopy } from './frozen-copy.ts'
import { addError, checkOrder, type MemoryRow, wholeRow } from './memory-row.ts'
import type { QueueRows } from './queue-rows.ts'

const CHANGED: Changed = { changed: true }

/** See `TaskStore.update`. */
export function updateRow(rows: QueueRows, id: string, changes: RowChanges, now: number): Changed {
  const row = rows.get(id)
  if (row?.status !== 'pending' && row?.status !== 'failed') return unchanged(row)
  const { args = row.args, priority = row.priority, delayMs } = changes
  const runAt = delayMs === undefined ? (changes.runAt ?? row.runAt) : now + delayMs
  checkOrder('update', { id, priority, runAt })
  const metadata = frozenCopy(changes.metadata) ?? row.metadata
  rows.reposition(
    row,
    () => {
      row.args = args
      row.priority = priority
      row.runAt = runAt
      row.metadata = metadata
    },
    now,
  )
  return CHANGED
}

/** See `TaskStore.kill`. */
export function killRow(rows: QueueRows, id: string, error: StoredError, now: number): boolean {
  const row = rows.get(id)
  if (row === undefined || isFinished(row.status)) return false
  addError(row, error, now)
  rows.kill(row, now)
  return true
}

/** See `TaskStore.take`. */
export function takeRow(rows: QueueRows, id: string): boolean {
  const row = rows.get(id)
  if (row?.status !== 'running') return false
  rows.giveBack(row)
  return true
}

/** See `TaskStore.retry`. */
export function retryRow(
  rows: QueueRows,
  id: string,
  { resetAttempts }: { readonly resetAttempts: boolean },
  now: number,
): Retried {
  const row = rows.get(id)
  if (row?.status !== 'killed') return unchanged(row)
  const rival = rows.rival(row, now)
  if (rival !== undefined) return { changed: false, holder: rival.id }
  rows.revive(row, resetAttempts, now)
  return CHANGED
}

/** See `TaskStore.remove`. */
export function removeRow(rows: QueueRows, id: string): Changed {
  const row = rows.get(id)
  if (row === undefined || row.status === 'running') return unchanged(row)
  rows.remove(row)
  return CHANGED
}

/** See `TaskStore.list`. */
export function listRows(rows: QueueRows, { status, offset, limit }: ListFilter): Row[] {
  const page: Row[] = []
  let skipped = 0
  for (const row of rows.all()) {
    if (page.length >= limit) break
    if (status !== undefined && row.status !== status) continue
    if (skipped < offset) skipped += 1
    else page.push(wholeRow(row))
  }
  return page
}

function unchanged(row: MemoryRow | undefined): Changed {
  return row === undefined ? { changed: false } : { changed: false, status: row.status }
}
