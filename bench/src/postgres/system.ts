import { performance } from 'node:perf_hooks'
import type { Contender, Figures } from '../contender.ts'
import type { Deliveries } from '../delivery.ts'
import { type Database, withDatabase } from './database.ts'

/** What a task is pushed with. */
export interface Args {
  readonly index: number
}

/** A library with one way to set it up. */
export interface System {
  readonly name: string
  /** Whose version to print. */
  readonly package: string
  /** It would take too long with more tasks than these. */
  readonly atMost?: number
  /** Brings the database into its state, and connects. */
  open(database: Database): Promise<Opened>
}

/** One that is connected to a database of its own. */
export interface Opened {
  /** Settles when the task is stored. */
  push(args: Args): Promise<unknown>
  /** The same for many, in one call. */
  pushBulk(all: readonly Args[], runAt?: Date): Promise<unknown>
  /** Begins to work. What it gives back stops that, and settles when every outcome is stored. */
  work(handler: (args: Args) => void): Promise<() => Promise<unknown>>
  /** How many tasks are done by what stands in the database, of so many that were pushed. */
  done(pushed: number): Promise<number>
  close(): Promise<unknown>
}

/** What is done to a system. */
export interface Scenario {
  readonly tasks: number
  readonly concurrency: number
  readonly deliveries: Deliveries
  readonly database: Database
}

/** The contenders of a suite: each system, put through the same in a database of its own. */
export function contenders(
  systems: readonly System[],
  run: (opened: Opened, scenario: Scenario) => Promise<Figures>,
): readonly Contender[] {
  return systems.map((system) => ({
    ...system,
    run: (tasks, concurrency, deliveries) =>
      withDatabase(async (database) => {
        const opened = await system.open(database)
        const figures = await run(opened, { tasks, concurrency, deliveries, database })
        await opened.close()
        return figures
      }),
  }))
}

/**
 * How many tasks a second are done by `work`, measured from a database that owes the disk nothing. That a task was run is
 * not enough: its outcome has to stand in the database.
 */
export async function donePerSecond(
  opened: Opened,
  scenario: Scenario,
  work: () => Promise<unknown>,
): Promise<Figures> {
  const figures = await perSecond(scenario, work)
  await checkDone(opened, scenario)
  return figures
}

/** How many a second come from `work`, from a database that owes the disk nothing. */
export async function perSecond(
  { tasks, database }: Scenario,
  work: () => Promise<unknown>,
): Promise<Figures> {
  await database.checkpoint()
  globalThis.gc?.()
  const begun = performance.now()
  await work()
  return { value: (tasks * 1_000) / (performance.now() - begun) }
}

/** Refuses a run after which not every task is done by what stands in the database. */
export async function checkDone(opened: Opened, { tasks }: Scenario): Promise<void> {
  const done = await opened.done(tasks)
  if (done !== tasks) throw new Error(`${done} of ${tasks} tasks are done in the database`)
}
