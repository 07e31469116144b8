import type { Claimed } from '../../src/storage/task-store.ts'
import { overriding, type Twin } from './twin.ts'

/** Suspects come like all others, several in a claim: they take each other's blame. */
export const claimWithoutSuspects: Twin = {
  name: 'claim without a limit of suspects',
  invariants: ['budgets'],
  wrap: (store) =>
    overriding(store, {
      async claim(worker, limit) {
        // One at a time, so that all of them come in order.
        let claimed: Claimed = { rows: [] }
        for (let most = limit; most > 0; most -= 1) {
          const { rows, ...others } = await store.claim(worker, 1, { suspects: 1 })
          claimed = { ...others, rows: [...claimed.rows, ...rows] }
          if (rows.length === 0) break
        }
        return claimed
      },
    }),
}
