import type { PurgeOptions } from '@apalis/core'
import type { Session } from './session.ts'
import { CODES } from './sql/tables.ts'

/** See `TaskStore.purge`. */
export async function purgeRows(
  { calls, offset }: Session,
  queue: string,
  { status, olderThanMs, limit }: PurgeOptions,
): Promise<number> {
  const values = [queue, CODES[status], Math.floor(olderThanMs), limit, offset]
  return Number(await calls.call('purge', 'purge_1', values))
}
