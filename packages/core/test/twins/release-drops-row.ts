import { overriding, type Twin } from './twin.ts'

/** What a worker gives back is gone: taken from where it ran, never put where it waits. */
export const releaseDropsRow: Twin = {
  name: 'release that drops the row',
  invariants: ['nothing lost'],
  wrap: (store) =>
    overriding(store, {
      async settle(worker, settlements, options) {
        const settled = await store.settle(worker, settlements, options)
        for (const [index, { id, outcome }] of settlements.entries()) {
          if (outcome.type === 'released' && settled[index] === 'applied') {
            await store.remove(worker.queue, id)
          }
        }
        return settled
      },
    }),
}
