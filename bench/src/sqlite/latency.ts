import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { concurrency, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { defineWorker } from 'plainjob'
import type { Figures, Suite } from '../contender.ts'
import { percentile } from '../numbers.ts'
import { openPlainjob, silent } from './plainjob.ts'
import { withFile } from './with-file.ts'

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
          const starts = new Starts()
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
          const starts = new Starts()
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

/** When the handler starts. */
class Starts {
  #onStart: (at: number) => void = () => {}

  start(): void {
    this.#onStart(performance.now())
  }

  /** Pushes once after the other, with pauses of random length, so that no poll is always just about to come. */
  async sample(samples: number, push: (index: number) => unknown): Promise<Figures> {
    const waits: number[] = []
    for (let index = 0; index < samples; index += 1) {
      await sleep(100 + Math.random() * 900)
      const { promise, resolve } = Promise.withResolvers<number>()
      this.#onStart = resolve
      const begun = performance.now()
      const pushed = push(index)
      waits.push((await promise) - begun)
      await pushed
    }
    const also = { 'p99 ms': percentile(waits, 99), 'longest ms': Math.max(...waits) }
    return { value: percentile(waits, 50), also }
  }
}
