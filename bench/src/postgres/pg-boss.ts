import { PgBoss } from 'pg-boss'
import type { Args, System } from './system.ts'

/** How pg-boss is set up; as it comes where nothing else is said. */
export interface PgBossOptions {
  /** How many workers it has, each with a batch of its own. @default 1, as it comes */
  readonly localConcurrency?: number
  /** Batches of 500, the next at once after a full one. */
  readonly batches?: boolean
  /** Woken by NOTIFY, and polling all the same as often as it may. */
  readonly listen?: boolean
  /** The most connections it has. @default 10, as it comes */
  readonly connections?: number
  readonly atMost?: number
}

/** pg-boss, which keeps what is done, and completes a batch as one. */
export function pgBoss(
  name: string,
  {
    localConcurrency = 1,
    batches = false,
    listen = false,
    connections,
    atMost,
  }: PgBossOptions = {},
): System {
  return {
    name,
    package: 'pg-boss',
    ...(atMost === undefined ? {} : { atMost }),
    async open({ url, query }) {
      const boss = new PgBoss({
        connectionString: url,
        useListenNotify: listen,
        ...(connections !== undefined && { max: connections }),
      })
      boss.on('error', (error) => {
        throw error
      })
      await boss.start()
      await boss.createQueue('bench', { notify: listen })
      return {
        push: (args) => boss.send('bench', args),
        pushBulk: (all, runAt) =>
          boss.insert(
            'bench',
            all.map((data) => ({ data, ...(runAt && { startAfter: runAt }) })),
          ),
        async work(handler) {
          await boss.work<Args>(
            'bench',
            {
              localConcurrency,
              ...(batches && { batchSize: 500, burstWhenBatchFull: true }),
              ...(listen && { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 }),
            },
            async (jobs) => {
              for (const { data } of jobs) handler(data)
            },
          )
          return () => boss.offWork('bench')
        },
        async done() {
          const [row] = await query(
            `SELECT count(*)::int AS done FROM pgboss.job WHERE name = 'bench' AND state = 'completed'`,
          )
          return Number(row?.['done'])
        },
        close: () => boss.stop({ graceful: false }),
      }
    },
  }
}
