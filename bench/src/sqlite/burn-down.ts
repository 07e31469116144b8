import { performance } from 'node:perf_hooks'
import { concurrency, type NewRow, WorkerBuilder } from '@apalis/core'
import { SqliteStorage, type Synchronous } from '@apalis/sqlite'
import { defineWorker, JobStatus } from 'plainjob'
import type { Contender, Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'
import { openPlainjob, silent } from './plainjob.ts'
import { openRawStore, rawWorker } from './raw-store.ts'
import { withFile } from './with-file.ts'

/** How fast tasks that stand in a file are done, by a no-op async handler. Finished tasks are kept. */
export const burnDown: Suite = {
  contenders: [
    apalis('apalis', 'full'),
    apalis('apalis NORMAL', 'normal'),
    {
      name: 'plainjob',
      package: 'plainjob',
      run: (tasks, _limit, deliveries) =>
        withFile(async (path) => {
          const queue = openPlainjob(path)
          queue.addMany('bench', [...numbered(tasks)])
          const worker = defineWorker('bench', async ({ data }) => deliveries.run(indexOf(data)), {
            queue,
            logger: silent,
          })
          const value = await perSecond(tasks, async () => {
            const running = worker.start()
            await deliveries.all
            await worker.stop()
            await running
          })
          checkKept(tasks, queue.countJobs({ status: JobStatus.Done }))
          queue.close()
          return { value }
        }),
    },
    raw('raw', 'full'),
    raw('raw NORMAL', 'normal'),
  ],
  compared: ['apalis', 'apalis NORMAL'],
  unit: 'tasks/s',
  tasks: 100_000,
  warmUp: 10_000,
}

/** What a durability costs, by the number of tasks at a time (`--concurrency`). */
export const durability: Suite = {
  contenders: [
    apalis('full', 'full'),
    apalis('normal', 'normal'),
    apalis('in memory', 'normal', ':memory:'),
  ],
  compared: ['full'],
  unit: 'tasks/s',
  tasks: 100_000,
  warmUp: 10_000,
}

function apalis(name: string, synchronous: Synchronous, memory?: ':memory:'): Contender {
  return {
    name,
    package: '@apalis/sqlite',
    run: (tasks, limit, deliveries) =>
      withFile(async (path) => {
        const storage = await SqliteStorage.open(memory ?? path, { synchronous })
        const queue = storage.queue<{ readonly index: number }>('bench')
        const pushed = await perSecond(tasks, async () => {
          await queue.pushStream(numbered(tasks))
        })
        const worker = new WorkerBuilder('bench')
          .backend(queue)
          .layer(concurrency(limit))
          .build(async ({ index }) => deliveries.run(index))
        const value = await perSecond(tasks, async () => {
          const running = worker.run()
          await deliveries.all
          worker.stop()
          await running
        })
        checkKept(tasks, (await queue.metrics()).done)
        await storage.close()
        return { value, also: { 'pushed 1,000 at a time, a second': pushed } }
      }),
  }
}

/** The statements of the storage in its own transactions, and nothing of core: what core has to be measured against. */
function raw(name: string, synchronous: Synchronous): Contender {
  return {
    name,
    package: '@apalis/sqlite',
    run: (tasks, limit, deliveries) =>
      withFile(async (path) => {
        const store = await openRawStore(path, synchronous)
        for (let from = 0; from < tasks; from += 1_000) {
          const count = Math.min(1_000, tasks - from)
          await store.insert(
            'bench',
            Array.from({ length: count }, (_, at) => newRow(from + at)),
          )
        }
        const suspects = { suspects: 1 } as const
        const value = await perSecond(tasks, async () => {
          let { rows } = await store.claim(rawWorker, limit, suspects)
          while (rows.length > 0) {
            const settlements = rows.map(({ id, epoch, args }) => {
              deliveries.run(indexOf(args))
              return { id, epoch, outcome: { type: 'done' } } as const
            })
            const { claimed } = await store.exchange(rawWorker, settlements, limit, suspects)
            rows = claimed.rows
          }
        })
        checkKept(tasks, (await store.count('bench')).done)
        await store.close()
        return { value }
      }),
  }
}

/** As core makes it; an id has 26 characters. */
function newRow(index: number): NewRow {
  const id = String(index).padStart(26, '0')
  return { id, args: JSON.stringify({ index }), priority: 0, attempts: 5 }
}

function indexOf(args: string): number {
  return (JSON.parse(args) as { readonly index: number }).index
}

async function perSecond(tasks: number, work: () => Promise<void>): Promise<number> {
  globalThis.gc?.()
  const begun = performance.now()
  await work()
  return (tasks * 1_000) / (performance.now() - begun)
}

/** That a task was run is not enough: its outcome has to stand in the file. */
function checkKept(tasks: number, done: number): void {
  if (done !== tasks) throw new Error(`${done} of ${tasks} tasks are done in the file`)
}
