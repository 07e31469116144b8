import { ApalisError, hasCode } from '../internal/apalis-error.ts'
import type { TaskEnd } from './task-end.ts'

/** How one run of a drained queue ended. */
export type DrainedEnd<Result = unknown> = TaskEnd<Result> & {
  /** The name of its queue. */
  readonly queue: string
}

/** What ran: how many runs ended in which way, and the ends of all. A task that ran twice counts twice. */
export interface Drained<out Result = unknown> {
  readonly done: number
  readonly failed: number
  readonly killed: number
  readonly released: number
  readonly lost: number
  /** In the order of the runs. */
  readonly ends: readonly DrainedEnd<Result>[]
}

/** A `drain` that could not go on while tasks were due, or took too long. The message names what remains. */
export class DrainError extends ApalisError {
  /** What ran until then. */
  readonly drained: Drained

  constructor(message: string, drained: Drained) {
    super('ERR_DRAIN', message)
    this.drained = drained
  }
}

/** Whether `error` is a {@link DrainError}. */
export function isDrainError(error: unknown): error is DrainError {
  return hasCode(error, 'ERR_DRAIN')
}

/** The ends, counted. */
export function drainedOf<Result>(ends: readonly DrainedEnd<Result>[]): Drained<Result> {
  const counts = { done: 0, failed: 0, killed: 0, released: 0, lost: 0 }
  for (const { outcome } of ends) counts[outcome] += 1
  return { ...counts, ends: [...ends] }
}
