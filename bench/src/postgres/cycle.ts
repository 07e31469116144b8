import type { Suite } from '../contender.ts'
import { apalis } from './apalis.ts'
import { graphileWorker } from './graphile-worker.ts'
import { pgBoss } from './pg-boss.ts'
import { pushInTurn } from './push.ts'
import { contenders, donePerSecond } from './system.ts'

/** From the first single push to the last outcome: so many push one by one while a worker is at it, in one process. */
export const cycle: Suite = {
  contenders: contenders(
    [
      graphileWorker('graphile-worker, batches', { batches: true, concurrentJobs: 50 }),
      graphileWorker('graphile-worker', { concurrentJobs: 50 }),
      pgBoss('pg-boss, batches, 1 worker', { batches: true, listen: true, connections: 50 }),
      pgBoss('pg-boss, batches, 10 workers', {
        batches: true,
        listen: true,
        connections: 50,
        localConcurrency: 10,
      }),
      pgBoss('pg-boss, 50 workers', { localConcurrency: 50, atMost: 200 }),
      apalis('apalis', { limit: 50 }),
    ],
    async (opened, scenario) => {
      const { tasks, concurrency, deliveries } = scenario
      const stop = await opened.work(({ index }) => deliveries.run(index))
      return donePerSecond(opened, scenario, async () => {
        await pushInTurn(opened, tasks, concurrency)
        await deliveries.all
        await stop()
      })
    },
  ),
  compared: ['apalis'],
  unit: 'tasks/s',
  tasks: 20_000,
  concurrency: 50,
  warmUp: 2_000,
  server: 'postgres',
}
