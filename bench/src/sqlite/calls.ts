import { performance } from 'node:perf_hooks'
import { concurrency, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import type { Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { timedConnection } from './timed-connection.ts'
import { withFile } from './with-file.ts'

/** A call that takes so long is noticed by whoever else uses the event loop, in milliseconds. */
const LONG_MS = 50

/** Every call into SQLite in a burn-down: the value is the longest. */
export const calls: Suite = {
  contenders: [
    {
      name: 'apalis',
      package: '@apalis/sqlite',
      run: (tasks, limit, deliveries) =>
        withFile(async (path) => {
          const tally = new Tally()
          const storage = await SqliteStorage.open(path, {
            connect: (file) => timedConnection(file, (sql, ms) => tally.add(sql, ms)),
          })
          const queue = storage.queue<{ readonly index: number }>('bench')
          await queue.pushStream(numbered(tasks))
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .layer(concurrency(limit))
            .build(async ({ index }) => deliveries.run(index))
          globalThis.gc?.()
          tally.reset()
          const begun = performance.now()
          const running = worker.run()
          await deliveries.all
          worker.stop()
          await running
          const { longestMs, figures } = tally.read()
          const also = {
            ...figures,
            'tasks/s': (tasks * 1_000) / (performance.now() - begun),
          }
          await storage.close()
          return { value: longestMs, also }
        }),
    },
  ],
  compared: [],
  unit: 'ms',
  tasks: 1_000_000,
  warmUp: 10_000,
}

class Tally {
  #calls = 0
  #longestMs = 0
  #long = 0
  /** Of the long ones: commits and checkpoints. */
  #waiting = 0

  add(sql: string, ms: number): void {
    this.#calls += 1
    this.#longestMs = Math.max(this.#longestMs, ms)
    if (ms < LONG_MS) return
    this.#long += 1
    if (sql === 'COMMIT' || sql.startsWith('PRAGMA wal_checkpoint')) this.#waiting += 1
  }

  reset(): void {
    this.#calls = 0
    this.#longestMs = 0
    this.#long = 0
    this.#waiting = 0
  }

  read(): { readonly longestMs: number; readonly figures: Readonly<Record<string, number>> } {
    const figures = {
      calls: this.#calls,
      [`% under ${LONG_MS} ms`]: (100 * (this.#calls - this.#long)) / this.#calls,
      [`commits and checkpoints of ${LONG_MS} ms or more`]: this.#waiting,
      [`other calls of ${LONG_MS} ms or more`]: this.#long - this.#waiting,
    }
    return { longestMs: this.#longestMs, figures }
  }
}
