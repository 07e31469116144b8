import { overriding, type Twin } from './twin.ts'

/** Whatever has run for the length of a lease is rescued, although its worker beats. */
export const rescueByTime: Twin = {
  name: 'rescue by elapsed time alone',
  invariants: ['one owner'],
  wrap(store, clock) {
    /** What runs in a queue, and how long it may. */
    const running = async (queue: string) => {
      const workers = await store.workers(queue)
      const rows = await store.list(queue, { status: 'running', offset: 0, limit: 10_000 })
      return rows.map(({ id, lockedBy, lockedAt = 0 }) => {
        const leaseMs = workers.find((worker) => worker.id === lockedBy)?.leaseMs ?? 0
        return { id, lockedBy, left: Math.max(0, lockedAt + leaseMs - clock.now()) }
      })
    }
    return overriding(store, {
      async beat(worker) {
        const beat = await store.beat(worker)
        const others = (await running(worker.queue)).filter((row) => row.lockedBy !== worker.id)
        const { rescueIn = Number.POSITIVE_INFINITY } = beat
        if (others.length === 0) return beat
        return { ...beat, rescueIn: Math.min(rescueIn, ...others.map(({ left }) => left)) }
      },
      async rescue(queue, limit, options) {
        const rescued = [...(await store.rescue(queue, limit, options))]
        for (const { id, left } of await running(queue)) {
          if (left > 0 || rescued.length >= limit) continue
          await store.take(queue, id)
          const [row] = await store.get(queue, [id])
          if (row !== undefined) rescued.push({ row, outcome: 'pending' })
        }
        return rescued
      },
    })
  },
}
