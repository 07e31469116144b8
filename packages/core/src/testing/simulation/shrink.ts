import type { FaultKind } from './faults.ts'
import { planOf } from './draw-plan.ts'
import type { SimulationReduction } from './plan.ts'
import { simulate, type SimulateOptions } from './simulate.ts'
import { SimulationError } from './simulation-error.ts'

/** So many seeds are run at most to make a failure smaller. */
const MOST_RUNS = 60

/** Takes away from a failed seed what it can fail without: kinds of faults, processes, tasks. Answers with the smallest failure. */
export async function shrink<Tx>(
  options: SimulateOptions<Tx>,
  failure: SimulationError,
): Promise<SimulationError> {
  const shrinking = new Shrinking(options, failure)
  const { kinds, processes, tasks } = planOf(failure.seed, failure.reduction)
  for (const kind of kinds) await shrinking.without(kind)
  for (let count = 1; count < processes.length; count += 1) {
    if (await shrinking.tries({ processes: count })) break
  }
  let least = 0
  for (let most = tasks.length; most - least > 1;) {
    const middle = Math.floor((least + most) / 2)
    if (await shrinking.tries({ tasks: middle })) most = middle
    else least = middle
  }
  return shrinking.smallest
}

class Shrinking<Tx> {
  readonly #options: SimulateOptions<Tx>
  smallest: SimulationError
  #runs = 0

  constructor(options: SimulateOptions<Tx>, failure: SimulationError) {
    this.#options = options
    this.smallest = failure
  }

  without(kind: FaultKind): Promise<boolean> {
    const { without = [] } = this.smallest.reduction
    return this.tries({ without: [...without, kind] })
  }

  /** Whether the same invariant breaks with less; then that is the smallest failure. */
  async tries(reduction: SimulationReduction): Promise<boolean> {
    if (this.#runs >= MOST_RUNS) return false
    this.#runs += 1
    try {
      await simulate({ ...this.#options, ...this.smallest.reduction, ...reduction })
      return false
    } catch (error) {
      // Another failure is another matter.
      if (!(error instanceof SimulationError)) return false
      if (error.invariant !== this.smallest.invariant) return false
      this.smallest = error
      return true
    }
  }
}
