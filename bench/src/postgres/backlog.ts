import { concurrency, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'
import type { Contender, Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { type Database, withDatabase } from './database.ts'
import { type Args, perSecond } from './system.ts'

const MILLION = 1_000_000

/** How fast tasks are claimed and done beside a million that are done and a million whose time has not come. */
export const backlog: Suite = {
  contenders: [burnDown('apalis, nothing else there', 0), burnDown('apalis, two million', MILLION)],
  compared: ['apalis, two million'],
  unit: 'tasks/s',
  tasks: 200_000,
  warmUp: 0,
  server: 'postgres',
}

function burnDown(name: string, others: number): Contender {
  return {
    name,
    package: '@apalis/postgres',
    run: (tasks, limit, deliveries) =>
      withDatabase(async (database) => {
        const storage = await PostgresStorage.connect(database.url)
        const queue = storage.queue<Args>('bench')
        // Before that there is no queue.
        await queue.pause()
        if (others > 0) await load(database, others)
        await queue.resume()
        const all = [...numbered(tasks)]
        while (all.length > 0) await queue.pushBulk(all.splice(0, 1_000))
        const worker = new WorkerBuilder('bench')
          .backend(queue)
          .layer(concurrency(limit))
          .build(async ({ index }) => deliveries.run(index))
        const figures = await perSecond({ tasks, concurrency: limit, deliveries, database }, () => {
          const running = worker.run()
          return deliveries.all.then(() => {
            worker.stop()
            return running
          })
        })
        const { done } = await queue.metrics()
        if (done !== tasks + others) throw new Error(`${done} are done in the database`)
        await storage.close()
        return figures
      }),
  }
}

/** As many that are done, five hundred by each call, and as many for tomorrow. */
async function load({ query }: Database, count: number): Promise<void> {
  const now = Date.now()
  const columns =
    'seq, run_at, created_at, due_at, finished_at, queue, epoch, attempt, attempts, priority, status, id, args'
  await query(`INSERT INTO apalis.task (${columns})
    SELECT nextval('apalis.task_seq'), ${now}, ${now}, NULL, ${now}, 1, 1, 1, 5, 0, 2, 'done ' || i, '{}'
    FROM generate_series(1, ${count}) i`)
  await query(`INSERT INTO apalis.ended (at, queue, status, ids)
    SELECT ${now}, 1, 2, array_agg('done ' || i) FROM generate_series(1, ${count}) i GROUP BY (i - 1) / 500`)
  await query(`INSERT INTO apalis.task (${columns})
    SELECT nextval('apalis.task_seq'), ${now} + 86400000 + i, ${now}, ${now} + 86400000 + i, NULL, 1, 0, 0, 5, 0, 0, 'later ' || i, '{}'
    FROM generate_series(1, ${count}) i`)
  await query(
    `INSERT INTO apalis.tally (queue, pending, done, future) VALUES (1, ${count}, ${count}, ${count})`,
  )
}
