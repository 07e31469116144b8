import type { Claim } from '../../src/storage/task-store.ts'
import { overriding, type Twin } from './twin.ts'

/**
 * A beat repeats what claims have answered: what was killed or taken since is among it, and what a claim brought whose
 * answer was lost is not.
 */
export const beatWithoutReconciling: Twin = {
  name: 'beat that does not reconcile',
  // What it repeats is wrong as such; what nobody hears of stays claimed for ever, or runs twice.
  invariants: ['contract', 'one owner', 'nothing lost', 'recovery'],
  wrap(store) {
    const handed = new Map<string, Map<string, Claim>>()
    const of = (worker: string): Map<string, Claim> => {
      const claims = handed.get(worker) ?? new Map<string, Claim>()
      handed.set(worker, claims)
      return claims
    }
    return overriding(store, {
      async claim(worker, limit, options) {
        const claimed = await store.claim(worker, limit, options)
        for (const { id, epoch } of claimed.rows) of(worker.id).set(id, { id, epoch })
        return claimed
      },
      async settle(worker, settlements, options) {
        const settled = await store.settle(worker, settlements, options)
        for (const { id, epoch } of settlements) {
          if (of(worker.id).get(id)?.epoch === epoch) of(worker.id).delete(id)
        }
        return settled
      },
      async beat(worker) {
        const beat = await store.beat(worker)
        return { ...beat, held: Array.from(of(worker.id).values()) }
      },
    })
  },
}
