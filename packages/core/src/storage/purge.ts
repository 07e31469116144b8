import { turn } from '../time/clock.ts'
import type { ClaimsDeps } from './claims-deps.ts'

/** How many rows one purge forgets. */
export const PURGE_BATCH = 1_000

/** Forgets the finished tasks of a queue that are past their retention, in batches. Answers how many. */
export async function purgeFinished({
  queue,
  retention,
  store,
}: Pick<ClaimsDeps<never, never>, 'queue' | 'retention' | 'store'>): Promise<number> {
  let purged = 0
  for (const status of ['done', 'killed'] as const) {
    const olderThanMs = retention[status]
    if (olderThanMs === undefined) continue
    for (;;) {
      const count = await store.purge(queue, { status, olderThanMs, limit: PURGE_BATCH })
      purged += count
      if (count < PURGE_BATCH) break
      // A store in memory waits for nothing, and others want the loop too.
      await turn()
    }
  }
  return purged
}
