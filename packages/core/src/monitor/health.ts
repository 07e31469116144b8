import type { WorkerState } from '../service/worker-context.ts'
import type { MonitorState } from './monitor-state-error.ts'

/** How a registered worker is: plain data, so that a probe can send it as JSON. */
export interface WorkerHealth {
  readonly name: string
  /** The incarnation; empty before there was one. */
  readonly id: string
  readonly state: WorkerState
  /** When its lease was last confirmed; absent for a backend that keeps none. */
  readonly lastBeatAt?: Date
  /** When the backend last did what it was asked: a beat, a claim that found nothing, an outcome stored. */
  readonly lastGoodCallAt?: Date
  /** Handlers running, outcomes not yet durable, and promises tracked. */
  readonly inFlight: number
  /** How often it was made again. */
  readonly restarts: number
  /** It failed, and is not made again. */
  readonly givenUp: boolean
  /** What it failed with, until it runs again. */
  readonly error?: string
}

/** How a monitor and its workers are. */
export interface MonitorHealth {
  /**
   * What a probe answers: the monitor runs (a shutdown under way counts), no worker is given up, and no worker's last
   * beat is older than `staleAfter`.
   */
  readonly healthy: boolean
  readonly state: MonitorState
  /** In the order they were registered. */
  readonly workers: readonly WorkerHealth[]
  /**
   * By how many milliseconds the event loop of this process was late at most, in the last ten seconds, or in the time
   * since somebody last asked if that is longer. 0 unless the monitor runs.
   */
  readonly loopDelayMs: number
}
