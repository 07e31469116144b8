import { concurrency, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { defineWorker } from 'plainjob'
import type { Suite } from '../contender.ts'
import { type Pause, Starts } from '../starts.ts'
import { openPlainjob, silent } from './plainjob.ts'
import { withFile } from './with-file.ts'

/** Longer at times than it takes until the next poll. */
const PAUSE: Pause = [100, 1_000]

/** From the push to the start of the handler, in one process whose worker has nothing to do. The value is the median. */
export const latency: Suite = {
  contenders: [
    {
      name: 'apalis',
      package: '@apalis/sqlite',
      run: (samples, limit, deliveries) =>
        withFile(async (path) => {
          const storage = await SqliteStorage.open(path)
          const queue = storage.queue<{ readonly index: number }>('bench')
          const starts = new Starts(PAUSE)
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .layer(concurrency(limit))
            .build(async ({ index }) => {
              starts.start()
              deliveries.run(index)
            })
          const running = worker.run()
          const figures = await starts.sample(samples, (index) => queue.push({ index }))
          worker.stop()
          await running
          await storage.close()
          return figures
        }),
    },
    {
      name: 'plainjob',
      package: 'plainjob',
      run: (samples, _limit, deliveries) =>
        withFile(async (path) => {
          const queue = openPlainjob(path)
          const starts = new Starts(PAUSE)
          const worker = defineWorker(
            'bench',
            async ({ data }) => {
              starts.start()
              deliveries.run((JSON.parse(data) as { readonly index: number }).index)
            },
            { queue, logger: silent },
          )
          const running = worker.start()
          const figures = await starts.sample(samples, (index) => queue.add('bench', { index }))
          await worker.stop()
          await running
          queue.close()
          return figures
        }),
    },
  ],
  compared: ['apalis'],
  unit: 'ms',
  of: 'samples',
  tasks: 200,
  rounds: 1,
  warmUp: 5,
}
