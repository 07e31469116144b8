import type { Deliveries } from './delivery.ts'

/** One way to get tasks done: pushes every task, runs each, and settles when all are done and nothing is open. */
export interface Contender {
  readonly name: string
  /** Whose version to print. */
  readonly package: string
  run(tasks: number, concurrency: number, deliveries: Deliveries): Promise<void>
}

/** What one run of a contender measured. */
export interface Measurement {
  readonly tasksPerSecond: number
  readonly lost: number
  readonly doubled: number
}
