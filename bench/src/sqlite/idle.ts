import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { concurrency, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import type { Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { timedConnection } from './timed-connection.ts'
import { withFile } from './with-file.ts'

/** What a worker without tasks costs: the value is its share of one processor. */
export const idle: Suite = {
  contenders: [
    {
      name: 'apalis',
      package: '@apalis/sqlite',
      run: (seconds, limit, deliveries) =>
        withFile(async (path) => {
          const statements: string[] = []
          const storage = await SqliteStorage.open(path, {
            connect: (file) => timedConnection(file, (sql) => statements.push(sql)),
          })
          const queue = storage.queue<{ readonly index: number }>('bench')
          const begun = Promise.withResolvers<void>()
          const worker = new WorkerBuilder('bench')
            .backend(queue)
            .layer(concurrency(limit))
            .build(async () => begun.resolve())
          const running = worker.run()
          // It has worked, and has come to rest.
          await queue.pushBulk([...numbered(100)])
          await begun.promise
          await sleep(1_500)
          globalThis.gc?.()
          statements.length = 0
          const before = { at: performance.now(), ...process.cpuUsage() }
          for (let second = 0; second < seconds; second += 1) {
            await sleep(1_000)
            deliveries.run(second)
          }
          const { user, system } = process.cpuUsage(before)
          const elapsed = performance.now() - before.at
          const also = sorted(statements)
          worker.stop()
          await running
          await storage.close()
          return { value: (user + system) / (elapsed * 10), also }
        }),
    },
  ],
  compared: [],
  unit: '% CPU',
  of: 'seconds',
  tasks: 60,
  rounds: 1,
  warmUp: 0,
}

/** A transaction that renews a lease is a beat, unless other calls share it, each in a savepoint of its own. */
function sorted(statements: readonly string[]): Readonly<Record<string, number>> {
  let beats = 0
  let looks = 0
  let others = 0
  let transaction: string[] | undefined
  for (const sql of statements) {
    if (sql === 'PRAGMA data_version') {
      looks += 1
    } else if (sql.startsWith('BEGIN')) {
      transaction = [sql]
    } else if (transaction === undefined) {
      // The level of the commit is set before the transaction begins.
      if (!sql.startsWith('PRAGMA synchronous')) others += 1
    } else if (sql === 'COMMIT') {
      const shared = transaction.some((one) => one.startsWith('SAVEPOINT'))
      const renews = transaction.some((one) => one.startsWith('UPDATE apalis_worker SET beat_at'))
      if (renews && !shared) beats += 1
      else others += transaction.length + 1
      transaction = undefined
    } else {
      transaction.push(sql)
    }
  }
  return { beats, 'looks at data_version': looks, 'other statements': others }
}
