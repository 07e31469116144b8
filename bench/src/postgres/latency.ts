import type { Suite } from '../contender.ts'
import { Starts } from '../starts.ts'
import { apalis } from './apalis.ts'
import { graphileWorker } from './graphile-worker.ts'
import { pgBoss } from './pg-boss.ts'
import { checkDone, contenders } from './system.ts'

/** From the push to the start of the handler, in one process whose worker has nothing to do. The value is the median. */
export const latency: Suite = {
  contenders: contenders(
    [
      graphileWorker('graphile-worker, batches', { batches: true, concurrentJobs: 10 }),
      graphileWorker('graphile-worker', { concurrentJobs: 10 }),
      pgBoss('pg-boss, batches, listening', { batches: true, listen: true }),
      pgBoss('pg-boss', { atMost: 10 }),
      apalis('apalis'),
    ],
    async (opened, scenario) => {
      const { tasks, deliveries } = scenario
      const starts = new Starts([20, 200])
      const stop = await opened.work(({ index }) => {
        starts.start()
        deliveries.run(index)
      })
      const figures = await starts.sample(tasks, (index) => opened.push({ index }))
      await stop()
      await checkDone(opened, scenario)
      return figures
    },
  ),
  compared: ['apalis'],
  unit: 'ms',
  of: 'samples',
  tasks: 500,
  rounds: 1,
  warmUp: 20,
  server: 'postgres',
}
