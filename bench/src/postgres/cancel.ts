import { fork } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'
import type { Suite } from '../contender.ts'
import { percentile } from '../numbers.ts'
import { withDatabase } from './database.ts'
import type { Args } from './system.ts'

/** From the moment that another process is asked to kill a task until the signal of its running handler aborts. The value is the median. */
export const cancel: Suite = {
  contenders: [
    {
      name: 'apalis',
      package: '@apalis/postgres',
      run: (samples, _limit, deliveries) =>
        withDatabase(async ({ url }) => {
          const storage = await PostgresStorage.connect(url)
          const queue = storage.queue<Args>('bench')
          let begin: () => void = () => {}
          let abort: (at: number) => void = () => {}
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .build(async ({ index }, { signal }) => {
              const aborted = once(signal, 'abort')
              deliveries.run(index)
              begin()
              await aborted
              abort(performance.now())
            })
          const running = worker.run()
          const other = fork(fileURLToPath(import.meta.resolve('./canceller.ts')), [url])
          await once(other, 'message')
          const waits: number[] = []
          for (let index = 0; index < samples; index += 1) {
            const begun = Promise.withResolvers<void>()
            const aborted = Promise.withResolvers<number>()
            begin = begun.resolve
            abort = aborted.resolve
            const id = await queue.push({ index })
            await begun.promise
            const from = performance.now()
            const killed = once(other, 'message')
            other.send(id)
            waits.push((await aborted.promise) - from)
            await killed
          }
          other.disconnect()
          await once(other, 'exit')
          worker.stop()
          await running
          await storage.close()
          const also = { 'p99 ms': percentile(waits, 99), 'longest ms': Math.max(...waits) }
          return { value: percentile(waits, 50), also }
        }),
    },
  ],
  compared: [],
  unit: 'ms',
  of: 'samples',
  tasks: 50,
  rounds: 1,
  warmUp: 0,
  server: 'postgres',
}
