import { performance } from 'node:perf_hooks'
import { concurrency, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { defineWorker } from 'plainjob'
import type { Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { openPlainjob, silent } from './plainjob.ts'
import { withFile } from './with-file.ts'

/** How long before the instant the tasks are pushed, in milliseconds: at a moment that no poll knows of. */
const AHEAD_MS = 2_500

/** Tasks that become due at one instant, for an idle worker: how long after it the last of them has started. */
export const due: Suite = {
  contenders: [
    {
      name: 'apalis',
      package: '@apalis/sqlite',
      run: (tasks, limit, deliveries) =>
        withFile(async (path) => {
          const storage = await SqliteStorage.open(path)
          const queue = storage.queue<{ readonly index: number }>('bench')
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .layer(concurrency(limit))
            .build(async ({ index }) => deliveries.run(index))
          const running = worker.run()
          const instant = Date.now() + AHEAD_MS
          await queue.pushBulk([...numbered(tasks)], { runAt: new Date(instant) })
          await deliveries.all
          const value = sinceMs(instant)
          worker.stop()
          await running
          await storage.close()
          return { value }
        }),
    },
    {
      name: 'plainjob',
      package: 'plainjob',
      run: (tasks, _limit, deliveries) =>
        withFile(async (path) => {
          const queue = openPlainjob(path)
          const worker = defineWorker(
            'bench',
            async ({ data }) =>
              deliveries.run((JSON.parse(data) as { readonly index: number }).index),
            { queue, logger: silent },
          )
          const running = worker.start()
          const instant = Date.now() + AHEAD_MS
          queue.addMany('bench', [...numbered(tasks)], { delay: AHEAD_MS })
          await deliveries.all
          const value = sinceMs(instant)
          await worker.stop()
          await running
          queue.close()
          return { value }
        }),
    },
  ],
  compared: ['apalis'],
  unit: 'ms',
  tasks: 1_000,
}

function sinceMs(instant: number): number {
  return performance.timeOrigin + performance.now() - instant
}
