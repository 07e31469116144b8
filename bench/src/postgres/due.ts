import { performance } from 'node:perf_hooks'
import type { Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { apalis } from './apalis.ts'
import { graphileWorker } from './graphile-worker.ts'
import { pgBoss } from './pg-boss.ts'
import { checkDone, contenders } from './system.ts'

/** How long before the instant the tasks are pushed, in milliseconds: at a moment that no poll knows of. */
const AHEAD_MS = 2_500

/** Tasks that become due at one instant, for an idle worker: how long after it the last of them has started. */
export const due: Suite = {
  contenders: contenders(
    [
      graphileWorker('graphile-worker, batches, polling every 100 ms', {
        batches: true,
        concurrentJobs: 100,
        pollInterval: 100,
      }),
      graphileWorker('graphile-worker', { concurrentJobs: 10 }),
      pgBoss('pg-boss, batches, polling every 500 ms', { batches: true, listen: true }),
      pgBoss('pg-boss', { localConcurrency: 100, atMost: 300 }),
      apalis('apalis', { limit: 100 }),
    ],
    async (opened, scenario) => {
      const { tasks, deliveries } = scenario
      const stop = await opened.work(({ index }) => deliveries.run(index))
      const instant = Date.now() + AHEAD_MS
      await opened.pushBulk([...numbered(tasks)], new Date(instant))
      await deliveries.all
      const value = performance.timeOrigin + performance.now() - instant
      await stop()
      await checkDone(opened, scenario)
      return { value }
    },
  ),
  compared: ['apalis'],
  unit: 'ms',
  tasks: 1_000,
  warmUp: 10,
  server: 'postgres',
}
