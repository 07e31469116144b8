import type { MemoryQueue } from '../memory/memory-queue.ts'
import type { MemoryRow } from '../memory/memory-row.ts'
import type { SavedQueue } from './journal-lines.ts'
import { rowOf } from './saved-row.ts'

/** Puts what a journal says of a queue into a queue that is empty. */
export function restore(queue: MemoryQueue, { paused, rows }: SavedQueue, now: number): void {
  if (paused) queue.pause(true)
  const finished: { readonly row: MemoryRow; readonly end: number }[] = []
  for (const saved of rows.values()) {
    const row = rowOf(saved)
    const { lockedBy = '', keyHeld = false, end = 0 } = saved
    queue.rows.restore(row, { lockedBy, keyHeld }, now)
    if (row.status === 'done' || row.status === 'killed') finished.push({ row, end })
  }
  finished.sort((one, other) => one.end - other.end)
  for (const { row } of finished) queue.rows.finished.add(row, now)
}
