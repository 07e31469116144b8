import type * as FastCheck from 'fast-check'
import { func, knownKeys, OptionError, text, wholeNumber } from '../../internal/validate.ts'
import { type Duration, durationMs } from '../../time/duration.ts'
import type { BareHarness } from '../harness.ts'
import { InvariantError, isInvariantError } from '../invariant-error.ts'
import { History } from './history.ts'
import { otherSteps } from './other-steps.ts'
import { shorten } from './shorten.ts'
import { type Fc, queues, type Step, unitMs } from './step.ts'
import type { Action } from './trial.ts'
import { workerSteps } from './worker-steps.ts'

/** Histories are at most so many steps long, those included that find nothing to happen to. */
const maxSteps = 150
/** Half of the shortest time that passes in a history: what is due and what is not stays apart. */
const mostDriftMs = unitMs / 2
/** fast-check's seeds are integers of 32 bits. */
const seeds = { min: -0x8000_0000, max: 0x7fff_ffff } as const

/** How to compare a storage with the model. */
export interface ModelOptions<Tx = never> {
  /** Makes a harness; each history gets one of its own, and opens it twice. */
  readonly harness: () => BareHarness<Tx> | Promise<BareHarness<Tx>>
  /** How many histories to try. @default 100 */
  readonly runs?: number
  /** Which histories: the same seed, the same histories. @default a new one each time */
  readonly seed?: number
  /** From the message of a failure, with its seed: that history first, not those before it. @default '0' */
  readonly path?: string
  /**
   * By how much the storage's clock may run ahead of the harness's during a history, at most 5 s: 0 is for a storage that
   * reads no other clock, more for one on a server, whose clock goes on meanwhile. @default 0
   */
  readonly drift?: Duration
}

/** What was tried, all of it as it should be. */
export interface ModelReport {
  readonly seed: number
  /** How many histories. */
  readonly runs: number
  /** How many calls of the storage in all of them together, those that only look not counted. */
  readonly calls: number
}

/** A storage and the model disagree. `invariant` says what that breaks, the message how to come to it. */
export class ModelError extends InvariantError {
  readonly seed: number
  /** The first history of the seed that failed, '0' for the first. */
  readonly path: string
  /** What is left of it when all is left out that has nothing to do with the failure. For people. */
  readonly history: readonly string[]

  constructor(
    { error, lines }: Failure,
    { seed, path }: { readonly seed: number; readonly path: string },
  ) {
    const width = String(lines.length).length + 2
    const history = lines.map((line, index) => `${String(index + 1).padStart(width)}. ${line}`)
    const how = `seed ${seed}, path ${JSON.stringify(path)}, shortened to:`
    // The name of the invariant is put before it again.
    const message = error.message.slice(error.invariant.length + 2)
    super(error.invariant, [message, how, ...history].join('\n'), { cause: error })
    this.seed = seed
    this.path = path
    this.history = lines
  }
}

/**
 * Holds a storage to the contract of `TaskStore` by random histories, made of the storage and of a model of the contract,
 * whose answers and rows are compared after every call. Rejects with a {@link ModelError} for the first history in which
 * they differ, shortened. Needs fast-check 4.
 */
export async function model<Tx = never>(options: ModelOptions<Tx>): Promise<ModelReport> {
  knownKeys('model options', options, ['harness', 'runs', 'seed', 'path', 'drift'])
  const { harness, runs = 100, seed, path, drift = 0 } = options
  if (path !== undefined && seed === undefined) {
    throw new OptionError('seed', seed, 'the one that the path belongs to')
  }
  const checked = {
    harness: func('harness', harness),
    runs: wholeNumber('runs', runs, { min: 1 }),
    drift: wholeNumber('drift', durationMs('drift', drift), { max: mostDriftMs }),
    ...(seed !== undefined && { seed: wholeNumber('seed', seed, seeds) }),
    ...(path !== undefined && { path: text('path', path) }),
  }
  const search = new Search(await fastCheck(), checked)
  return search.run()
}

async function fastCheck(): Promise<Fc> {
  try {
    return await import('fast-check')
  } catch (error) {
    throw new Error('the model needs fast-check 4: npm install --save-dev fast-check@4', {
      cause: error,
    })
  }
}

/** A history that failed. */
interface Failure {
  readonly error: InvariantError
  readonly lines: readonly string[]
  readonly actions: readonly Action[]
}

interface SearchOptions<Tx> {
  readonly harness: ModelOptions<Tx>['harness']
  readonly runs: number
  readonly seed?: number
  readonly path?: string
  readonly drift: number
}

/** Tries histories until one fails, and then what is left of it when this and that is left out. */
class Search<Tx> {
  readonly #fc: Fc
  readonly #options: SearchOptions<Tx>
  #calls = 0
  #failure: Failure | undefined
  /** What is no failure of the storage's. */
  #interruption: { readonly error: unknown } | undefined

  constructor(fc: Fc, options: SearchOptions<Tx>) {
    this.#fc = fc
    this.#options = options
  }

  async run(): Promise<ModelReport> {
    const fc = this.#fc
    const { runs, seed, path } = this.#options
    const steps = fc.oneof(...otherSteps(fc), ...workerSteps(fc))
    const histories = fc.commands([steps.map((step) => new StepCommand(step))], {
      maxCommands: maxSteps,
      size: 'max',
    })
    const details = await fc.check(
      fc.asyncProperty(histories, (history) => this.#try(history)),
      {
        numRuns: runs,
        // It would leave out whole steps. What they have done can be left out call by call.
        endOnFailure: true,
        ...(seed !== undefined && { seed }),
        ...(path !== undefined && { path }),
      },
    )
    if (this.#interruption !== undefined) throw this.#interruption.error
    if (this.#failure === undefined) {
      return { seed: details.seed, runs: details.numRuns, calls: this.#calls }
    }
    const shortest = await this.#shorten(this.#failure)
    throw new ModelError(shortest, { seed: details.seed, path: String(details.counterexamplePath) })
  }

  /** Throws when the history fails. */
  async #try(steps: Iterable<FastCheck.AsyncCommand<Stage, undefined>>): Promise<void> {
    try {
      this.#failure = await this.#play(async (history) => {
        await this.#fc.asyncModelRun(() => ({ model: { history }, real: undefined }), steps)
      })
    } catch (error) {
      this.#interruption = { error }
      throw error
    }
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** The shortest history that breaks the same. */
  async #shorten(first: Failure): Promise<Failure> {
    let shortest = first
    await shorten(
      first.actions,
      async (actions) => {
        const failure = await this.#play(async ({ trial }) => {
          for (const action of actions) await action.play(trial)
        })
        if (failure?.error.invariant !== first.error.invariant) return false
        shortest = failure
        return true
      },
      (action) => action.simpler(),
    )
    return shortest
  }

  /** One history on data of its own. Undefined: all is well. */
  async #play(what: (history: History) => Promise<void>): Promise<Failure | undefined> {
    const harness = await this.#options.harness()
    try {
      const connections = [await harness.open(), await harness.open()] as const
      const history = new History({ harness, connections, queues, drift: this.#options.drift })
      const { trial } = history
      try {
        await what(history)
        await trial.inspect()
      } catch (error) {
        if (!isInvariantError(error)) throw error
        return { error, lines: trial.lines, actions: trial.actions }
      } finally {
        this.#calls += trial.calls
      }
    } finally {
      await harness.close()
    }
    return undefined
  }
}

/** What fast-check hands to steps. */
interface Stage {
  readonly history: History
}

/** A step as fast-check wants it. What it did is told by the trial. */
class StepCommand implements FastCheck.AsyncCommand<Stage, undefined> {
  readonly #step: Step

  constructor(step: Step) {
    this.#step = step
  }

  check({ history }: Stage): boolean {
    return this.#step.possible(history)
  }

  async run({ history }: Stage): Promise<void> {
    await this.#step.play(history)
  }

  toString(): string {
    return ''
  }
}
