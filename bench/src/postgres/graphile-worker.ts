import { setTimeout as sleep } from 'node:timers/promises'
import type { Args, System } from './system.ts'

/** How graphile-worker is set up; as it comes where nothing else is said. */
export interface GraphileOptions {
  /** How many jobs it runs at a time. @default 1, as it comes */
  readonly concurrentJobs?: number
  /** What its page on performance was measured with: jobs are fetched 500 at a time, and completed together. */
  readonly batches?: boolean
  /** How often it looks for jobs that have become due, in milliseconds. */
  readonly pollInterval?: number
  /** The most connections it has. @default what it recommends: 10, or 2 more than the jobs */
  readonly connections?: number
  readonly atMost?: number
}

/** graphile-worker, which deletes what is done. */
export function graphileWorker(
  name: string,
  { concurrentJobs = 1, batches = false, pollInterval, connections, atMost }: GraphileOptions = {},
): System {
  return {
    name,
    package: 'graphile-worker',
    ...(atMost === undefined ? {} : { atMost }),
    async open({ url, query }) {
      // It would print a line a job, and its own measurements are made without.
      process.env['NO_LOG_SUCCESS'] = '1'
      const { Logger, makeWorkerUtils, run, WorkerPreset } = await import('graphile-worker')
      const logger = new Logger(() => () => {})
      const maxPoolSize = connections ?? Math.max(10, concurrentJobs + 2)
      const left = async (): Promise<number> => {
        const [row] = await query('SELECT count(*)::int AS jobs FROM graphile_worker._private_jobs')
        return Number(row?.['jobs'])
      }
      const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize, logger })
      await utils.migrate()
      return {
        push: (args) => utils.addJob('bench', args),
        pushBulk: (all, runAt) =>
          utils.addJobs(
            all.map((payload) => ({ identifier: 'bench', payload, ...(runAt && { runAt }) })),
          ),
        async work(handler) {
          const runner = await run({
            connectionString: url,
            maxPoolSize,
            logger,
            noHandleSignals: true,
            parsedCronItems: [],
            // What is pushed above.
            taskList: { bench: async (payload) => handler(payload as Args) },
            preset: {
              extends: [WorkerPreset],
              worker: {
                concurrentJobs,
                ...(pollInterval !== undefined && { pollInterval }),
                ...(batches && {
                  localQueue: { size: 500 },
                  completeJobBatchDelay: 0,
                  failJobBatchDelay: 0,
                }),
              },
            },
          })
          return async () => {
            // It does not await what it completes one by one, and stopping does not either.
            while ((await left()) > 0) await sleep(1)
            await runner.stop()
          }
        },
        done: async (pushed) => pushed - (await left()),
        close: async () => utils.release(),
      }
    },
  }
}
