import type { Suite } from '../contender.ts'
import type { Deliveries } from '../delivery.ts'
import { numbered } from '../numbers.ts'
import { apalis } from './apalis.ts'
import { graphileWorker } from './graphile-worker.ts'
import { pgBoss } from './pg-boss.ts'
import { type Args, contenders, type Opened, perSecond } from './system.ts'

/** Single pushes by so many at the same time, each waiting for its own. How the worker is set up, which counts them later, is no part of it. */
export const push: Suite = {
  contenders: contenders(
    [
      graphileWorker('graphile-worker', { batches: true }),
      graphileWorker('graphile-worker, 50 connections', { batches: true, connections: 50 }),
      pgBoss('pg-boss', { batches: true }),
      pgBoss('pg-boss, 50 connections', { batches: true, connections: 50 }),
      apalis('apalis'),
    ],
    async (opened, scenario) => {
      const { tasks, concurrency, deliveries } = scenario
      const figures = await perSecond(scenario, () => pushInTurn(opened, tasks, concurrency))
      await drain(opened, deliveries)
      return figures
    },
  ),
  compared: ['apalis'],
  unit: 'pushes/s',
  of: 'pushes',
  tasks: 20_000,
  concurrency: 50,
  warmUp: 2_000,
  server: 'postgres',
}

/** Many in one call, so many at a time (`--concurrency`). */
export const bulk: Suite = {
  contenders: contenders(
    [
      graphileWorker('graphile-worker', { batches: true }),
      pgBoss('pg-boss', { batches: true }),
      apalis('apalis'),
    ],
    async (opened, scenario) => {
      const { tasks, concurrency, deliveries } = scenario
      const all: Args[] = [...numbered(tasks)]
      const figures = await perSecond(scenario, async () => {
        while (all.length > 0) await opened.pushBulk(all.splice(0, concurrency))
      })
      await drain(opened, deliveries)
      return figures
    },
  ),
  compared: ['apalis'],
  unit: 'pushes/s',
  of: 'pushes',
  tasks: 100_000,
  concurrency: 1_000,
  warmUp: 10_000,
  server: 'postgres',
}

/** Pushes so many, one by one, by so many at the same time. */
export async function pushInTurn(
  opened: Opened,
  tasks: number,
  concurrency: number,
): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < tasks) await opened.push({ index: next++ })
  }
  await Promise.all(Array.from({ length: concurrency }, one))
}

/** What counts as delivered is what a worker finds. */
async function drain(opened: Opened, deliveries: Deliveries): Promise<void> {
  const stop = await opened.work(({ index }) => deliveries.run(index))
  await deliveries.all
  await stop()
}
