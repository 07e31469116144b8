import type { Deliveries } from './delivery.ts'

/** One way to get tasks done: pushes every task, runs each, and settles when all are done and nothing is open. */
export interface Contender {
  readonly name: string
  /** Whose version to print. */
  readonly package: string
  /** It would take too long with more tasks than these. */
  readonly atMost?: number
  /**
   * The whole of it is measured, in tasks a second, unless it gives back what it measured itself: because it prepares
   * something first, or because its figure is another one.
   */
  run(tasks: number, concurrency: number, deliveries: Deliveries): Promise<Figures | void>
}

/** What a contender measured. */
export interface Figures {
  /** In the unit of the suite. */
  readonly value: number
  /** What else is worth telling, by what it is. */
  readonly also?: Readonly<Record<string, number>>
}

/** What one run of a contender measured. */
export interface Measurement extends Figures {
  readonly lost: number
  readonly doubled: number
}

/** Contenders of one unit. */
export interface Suite {
  readonly contenders: readonly Contender[]
  /** Names of those that the others are compared with. */
  readonly compared: readonly string[]
  /** Of every value. More is better of what ends in `/s`, less of all else. */
  readonly unit: string
  /** How many there are unless told otherwise. */
  readonly tasks: number
  /** What these are. @default 'tasks' */
  readonly of?: string
  /** @default 100 */
  readonly concurrency?: number
  /** @default 3 */
  readonly rounds?: number
  /** How many are run first, unmeasured. @default as many as are measured */
  readonly warmUp?: number
  /** What its contenders share. */
  readonly server?: 'postgres'
}
