import { wholeNumber } from '../../internal/validate.ts'
import { shrink } from './shrink.ts'
import { simulate, type SimulateOptions } from './simulate.ts'
import { SimulationError } from './simulation-error.ts'

/** What to simulate, on what, and how often. */
export interface SimulationOptions<Tx = never> extends Pick<
  SimulateOptions<Tx>,
  'harness' | 'stacks' | 'without'
> {
  /** How many seeds. @default 300 */
  readonly seeds?: number
  /** The first of them. @default 1 */
  readonly from?: number
}

/** What a simulation did. */
export interface SimulationReport {
  /** The first seed, and the last. */
  readonly from: number
  readonly to: number
  /** How many events there were altogether. */
  readonly events: number
  /** How many handlers ran. */
  readonly runs: number
}

/**
 * Runs the real queues, workers and monitors of several processes on a storage, in virtual time, once for each seed: the
 * seed decides when each call, answer, signal and timer comes, and what goes wrong. Everything that happens is held against
 * the invariants. Rejects with the {@link SimulationError} of the first seed that breaks one, made as small as it goes.
 */
export async function simulation<Tx = never>({
  seeds = 300,
  from = 1,
  ...options
}: SimulationOptions<Tx>): Promise<SimulationReport> {
  const count = wholeNumber('simulation.seeds', seeds, { min: 1 })
  const first = wholeNumber('simulation.from', from)
  const total = { events: 0, runs: 0 }
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      const { events, runs } = await simulate({ ...options, seed })
      total.events += events
      total.runs += runs
    } catch (error) {
      throw error instanceof SimulationError ? await shrink({ ...options, seed }, error) : error
    }
  }
  return { from: first, to: first + count - 1, ...total }
}
