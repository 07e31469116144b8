import type { Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { apalis } from './apalis.ts'
import type { Database } from './database.ts'
import { graphileWorker } from './graphile-worker.ts'
import { pgBoss } from './pg-boss.ts'
import { contenders, donePerSecond, type System } from './system.ts'

/** How many are pushed in a call. */
const BULK = 1_000

/** At what they say is fastest, and as they come. */
const systems: readonly System[] = [
  graphileWorker('graphile-worker, batches, 10 at a time', { batches: true, concurrentJobs: 10 }),
  graphileWorker('graphile-worker, batches, 100 at a time', { batches: true, concurrentJobs: 100 }),
  pgBoss('pg-boss, batches, 2 workers', { batches: true, listen: true, localConcurrency: 2 }),
  pgBoss('pg-boss, batches, 10 workers', { batches: true, listen: true, localConcurrency: 10 }),
  graphileWorker('graphile-worker, 10 at a time', { concurrentJobs: 10, atMost: 20_000 }),
  pgBoss('pg-boss, 100 workers', { localConcurrency: 100, atMost: 300 }),
  apalis('apalis', { limit: 100 }),
  apalis('apalis, 10 at a time'),
]

/** How fast tasks that stand in the database are done, by a no-op handler. The table was just loaded: the planner knows nothing of it. */
export const burnDown: Suite = suite(async () => {})

/** The same when the planner knows all of it. */
export const analyzed: Suite = suite((database) => database.query('VACUUM ANALYZE'))

function suite(prepare: (database: Database) => Promise<unknown>): Suite {
  return {
    contenders: contenders(systems, async (opened, scenario) => {
      const { tasks, deliveries, database } = scenario
      const all = [...numbered(tasks)]
      while (all.length > 0) await opened.pushBulk(all.splice(0, BULK))
      await prepare(database)
      return donePerSecond(opened, scenario, async () => {
        const stop = await opened.work(({ index }) => deliveries.run(index))
        await deliveries.all
        await stop()
      })
    }),
    compared: ['apalis'],
    unit: 'tasks/s',
    tasks: 200_000,
    warmUp: 10_000,
    server: 'postgres',
  }
}
