import type { StoreSettled } from '../../src/storage/task-store.ts'
import { overriding, type Twin } from './twin.ts'

/** Whoever bears the name of the holder ends its claims: a worker that was started anew, or its own past. */
export const settleByName: Twin = {
  name: 'settle by worker name only',
  invariants: ['fence'],
  wrap(store) {
    // Also of those that have left.
    const names = new Map<string, string>()
    return overriding(store, {
      async register(worker) {
        await store.register(worker)
        names.set(worker.id, worker.name)
      },
      async settle(worker, settlements, options) {
        const settled: StoreSettled[] = []
        for (const one of settlements) {
          const [row] = await store.get(worker.queue, [one.id])
          const holder = row?.lockedBy
          const own = holder !== undefined && names.get(holder) === names.get(worker.id)
          const [answer = 'stale'] = await store.settle(
            own ? { id: holder, queue: worker.queue } : worker,
            [own ? { ...one, epoch: row?.epoch ?? one.epoch } : one],
            options,
          )
          settled.push(answer)
        }
        return settled
      },
    })
  },
}
