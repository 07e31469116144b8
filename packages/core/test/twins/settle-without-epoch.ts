import { overriding, type Twin } from './twin.ts'

/** The settle of an earlier claim ends a later one of the same worker. */
export const settleWithoutEpoch: Twin = {
  name: 'settle without epoch',
  invariants: ['fence'],
  wrap: (store) =>
    overriding(store, {
      async settle(worker, settlements, options) {
        const rows = await store.get(
          worker.queue,
          settlements.map(({ id }) => id),
        )
        const current = settlements.map((one, index) => ({
          ...one,
          epoch: rows[index]?.epoch ?? one.epoch,
        }))
        return store.settle(worker, current, options)
      },
    }),
}
