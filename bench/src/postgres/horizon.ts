import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { concurrency, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'
import { Client } from 'pg'
import type { Suite } from '../contender.ts'
import { withDatabase } from './database.ts'
import type { Args } from './system.ts'

/** So many tasks wait at any moment. */
const WAITING = 10_000
/** How long each rate is measured, in milliseconds. */
const WINDOW_MS = 10_000

/**
 * What becomes of a worker at full load while a transaction of somebody else's keeps the server from forgetting anything for a
 * minute, and afterwards. A VACUUM comes every ten seconds, as autovacuum would with that nap time. The value is the rate
 * after it is over.
 */
export const horizon: Suite = {
  contenders: [
    {
      name: 'apalis',
      package: '@apalis/postgres',
      run: (seconds, limit, deliveries) =>
        withDatabase(async ({ url, query }) => {
          const storage = await PostgresStorage.connect(url)
          const queue = storage.queue<Args>('bench')
          let pushed = 0
          let ran = 0
          const seen = new Set<number>()
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .layer(concurrency(limit))
            .build(async ({ index }) => {
              ran += 1
              seen.add(index)
            })
          const running = worker.run()
          let over = false
          const feeding = (async () => {
            while (!over) {
              if (pushed - ran >= WAITING) {
                await sleep(1)
                continue
              }
              const all = Array.from({ length: 1_000 }, (_, at) => ({ index: pushed + at }))
              await queue.pushBulk(all)
              pushed += all.length
            }
          })()
          const vacuuming = (async () => {
            while (!over) {
              await query('VACUUM')
              for (let second = 0; second < 10 && !over; second += 1) await sleep(1_000)
            }
          })()
          const rate = async (): Promise<number> => {
            const from = { ran, at: performance.now() }
            await sleep(WINDOW_MS)
            return ((ran - from.ran) * 1_000) / (performance.now() - from.at)
          }
          await sleep(WINDOW_MS)
          const before = await rate()
          const holder = new Client({ connectionString: url })
          await holder.connect()
          await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
          await holder.query('SELECT count(*) FROM apalis.queue')
          const first = await rate()
          await sleep(Math.max(0, seconds * 1_000 - 2 * WINDOW_MS))
          const last = await rate()
          await holder.query('COMMIT')
          await holder.end()
          // Until the next VACUUM has been.
          await sleep(WINDOW_MS + 2_000)
          const value = await rate()
          over = true
          await Promise.all([feeding, vacuuming])
          while (ran < pushed) await sleep(10)
          worker.stop()
          await running
          const { done } = await queue.metrics()
          await storage.close()
          if (done !== pushed || seen.size !== pushed || ran !== pushed) {
            throw new Error(`${pushed} pushed, ${seen.size} run in ${ran} runs, ${done} done`)
          }
          for (let second = 0; second < seconds; second += 1) deliveries.run(second)
          return { value, also: { before, 'its first 10 s': first, 'its last 10 s': last } }
        }),
    },
  ],
  compared: [],
  unit: 'tasks/s',
  of: 'seconds',
  tasks: 60,
  rounds: 1,
  warmUp: 0,
  server: 'postgres',
}
