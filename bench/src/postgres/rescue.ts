import { fork } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { concurrency, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'
import type { Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { withDatabase } from './database.ts'
import type { Args } from './system.ts'

const LEASE_MS = 10_000

/** Two processes, of which one is killed: how long until the last of its tasks has started in the other. */
export const rescue: Suite = {
  contenders: [
    {
      name: 'apalis, a lease of 10 s',
      package: '@apalis/postgres',
      run: (tasks, limit, deliveries) =>
        withDatabase(async ({ url }) => {
          const storage = await PostgresStorage.connect(url, { lease: LEASE_MS })
          const queue = storage.queue<Args>('bench')
          const program = fileURLToPath(import.meta.resolve('./victim.ts'))
          const victim = fork(program, [url, String(LEASE_MS), String(limit)])
          await queue.pushBulk([...numbered(tasks)])
          const held = Promise.withResolvers<void>()
          let begun = 0
          victim.on('message', () => {
            begun += 1
            if (begun === Math.min(tasks, limit)) held.resolve()
          })
          await held.promise
          const idle = Promise.withResolvers<void>()
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .layer(concurrency(limit))
            .onEvent(({ type }) => {
              if (type === 'idle') idle.resolve()
            })
            .build(async ({ index }) => deliveries.run(index))
          const running = worker.run()
          await idle.promise
          // At any moment between two beats of the victim.
          await sleep(Math.random() * LEASE_MS)
          const from = performance.now()
          victim.kill('SIGKILL')
          await deliveries.all
          const value = performance.now() - from
          worker.stop()
          await running
          await storage.close()
          return { value }
        }),
    },
  ],
  compared: [],
  unit: 'ms',
  tasks: 100,
  rounds: 5,
  warmUp: 0,
  server: 'postgres',
}
