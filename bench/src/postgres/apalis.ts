import { concurrency, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'
import type { Args, System } from './system.ts'

/** How apalis is set up; as it comes where nothing else is said. */
export interface ApalisOptions {
  /** How many tasks it runs at a time. @default 10, as it comes */
  readonly limit?: number
}

/** apalis, which keeps what is done, and settles task by task. */
export function apalis(name: string, { limit = 10 }: ApalisOptions = {}): System {
  return {
    name,
    package: '@apalis/postgres',
    async open({ url }) {
      const storage = await PostgresStorage.connect(url)
      const queue = storage.queue<Args>('bench')
      return {
        push: (args) => queue.push(args),
        pushBulk: (all, runAt) => queue.pushBulk(all, runAt && { runAt }),
        async work(handler) {
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .layer(concurrency(limit))
            .build(async (args) => handler(args))
          const running = worker.run()
          return () => {
            worker.stop()
            return running
          }
        },
        done: async () => (await queue.metrics()).done,
        close: () => storage.close(),
      }
    },
  }
}
