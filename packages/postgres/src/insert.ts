import { BackendError, type Inserted, type InsertOptions, type NewRow } from '@apalis/core'
import type { PostgresTransaction } from './client.ts'
import type { Session } from './session.ts'

/** The largest instant that a Date can show, in milliseconds since 1970. */
const LAST_INSTANT = 8_640_000_000_000_000

/** How to insert. */
export interface Inserting extends InsertOptions<PostgresTransaction> {
  /** What to send to those who listen when the caller's transaction commits. */
  readonly tell: string | null
}

/** See `TaskStore.insert`. */
export async function insertRows(
  { calls, offset }: Session,
  queue: string,
  rows: readonly NewRow[],
  { within, refuseExisting = false, tell }: Inserting,
): Promise<readonly Inserted[]> {
  for (const row of rows) checkOrder('insert', row)
  const [first] = rows
  if (first === undefined) return []
  const plain = rows.every((row) => isPlain(row, first))
  const taken = await calls.json(
    'insert',
    'insert_1',
    [
      queue,
      rows.map(({ id }) => id),
      rows.map(({ args }) => args),
      plain ? null : JSON.stringify(rows.map(special)),
      first.priority,
      first.attempts,
      refuseExisting,
      tell,
      offset,
    ],
    { within },
  )
  // One for each row: the id of who was there, or null.
  const holders = taken as readonly (string | null)[] | undefined
  return rows.map(({ id }, index) => {
    const holder = holders?.[index] ?? undefined
    return holder === undefined ? { id, existing: false } : { id: holder, existing: true }
  })
}

/** Refuses what no order can be kept of. */
export function checkOrder(
  operation: string,
  {
    id,
    priority,
    runAt,
  }: { readonly id: string; readonly priority?: number; readonly runAt?: number },
): void {
  const instant = runAt === undefined || (runAt >= -LAST_INSTANT && runAt <= LAST_INSTANT)
  if ((priority === undefined || Number.isFinite(priority)) && instant) return
  throw new BackendError(
    operation,
    `row ${JSON.stringify(id)} has the priority ${priority} and the runAt ${runAt}`,
    { transient: false, applied: 'no' },
  )
}

/** Whether a row has nothing but what all rows of the call have. */
function isPlain(row: NewRow, first: NewRow): boolean {
  return (
    row.priority === first.priority &&
    row.attempts === first.attempts &&
    row.runAt === undefined &&
    (row.delayMs === undefined || row.delayMs === 0) &&
    row.timeoutMs === undefined &&
    row.uniqueKey === undefined &&
    row.metadata === undefined
  )
}

/** Metadata as text: the server looks into what it takes apart, and has no place for a NUL or half a character there. */
function special({ id: _id, args: _args, metadata, ...rest }: NewRow): object {
  return metadata === undefined ? rest : { ...rest, metadata: JSON.stringify(metadata) }
}
