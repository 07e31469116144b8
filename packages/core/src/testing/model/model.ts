import type * as FastCheck from 'fast-check'
import { func, knownKeys, OptionError, text, wholeNumber } from '../../internal/validate.ts'
import { type Duration, durationMs } from '../../time/duration.ts'
import type { BareHarness } from '../harness.ts'
import { type Invariant, InvariantError, isInvariantError } from '../invariant-error.ts'
import { History } from './history.ts'
import { otherSteps } from './other-steps.ts'
import { type Fc, queues, type Step, unitMs } from './step.ts'
import { workerSteps } from './worker-steps.ts'

/** Histories are at most so many steps long, those included that find nothing to happen to. */
const maxSteps = 150
/** Half of the shortest time that passes in a history: what is due and what is not stays apart. */
const mostDriftMs = unitMs / 2
/** fast-check's seeds are integers of 32 bits. */
const seeds = { min: -0x8000_0000, max: 0x7fff_ffff } as const
const longestPath = 10_000

/** How to compare a storage with the model. */
export interface ModelOptions<Tx = never> {
  /** Makes a harness; each history gets one of its own, and opens it twice. */
  readonly harness: () => BareHarness<Tx> | Promise<BareHarness<Tx>>
  /** How many histories to try. @default 100 */
  readonly runs?: number
  /** Which histories: the same seed, the same histories. @default a new one each time */
  readonly seed?: number
  /** From the message of a failure, with its seed: only the shortest history that it found. @default all of them */
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
  /** The history, in terms of the seed. */
  readonly path: string
  /** Which of the seed's histories was the first to fail, 1 for the first. */
  readonly run: number
  /** The shortest history found that fails in the same way, for people. */
  readonly history: readonly string[]

  constructor(
    { error, lines }: Failure,
    { seed, path, run }: { readonly seed: number; readonly path: string; readonly run: number },
  ) {
    const width = String(lines.length).length
    const history = lines.map((line, index) => `${String(index + 1).padStart(width + 2)}. ${line}`)
    const how = `seed ${seed}, path ${JSON.stringify(path)}, history ${run}, shortened to:`
    const message = error.message.slice(error.invariant.length + 2)
    super(error.invariant, [message, how, ...history].join('\n'), { cause: error })
    this.seed = seed
    this.path = path
    this.run = run
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
    ...(path !== undefined && { path: text('path', path, longestPath) }),
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
}

interface SearchOptions<Tx> {
  readonly harness: ModelOptions<Tx>['harness']
  readonly runs: number
  readonly seed?: number
  readonly path?: string
  readonly drift: number
}

/** Tries histories until one fails, and then shorter ones. */
class Search<Tx> {
  readonly #fc: Fc
  readonly #options: SearchOptions<Tx>
  #calls = 0
  /** What the first failure broke. Shorter ones have to break the same. */
  #invariant: Invariant | undefined
  #failure: Failure | undefined
  /** No failure of the storage's, and no reason to go on. */
  #interruption: { readonly error: unknown } | undefined

  constructor(fc: Fc, options: SearchOptions<Tx>) {
    this.#fc = fc
    this.#options = options
  }

  async run(): Promise<ModelReport> {
    const fc = this.#fc
    const { runs, seed, path } = this.#options
    const [casePath, replayPath] = path?.split(' ') ?? []
    const steps = fc.oneof(...otherSteps(fc), ...workerSteps(fc))
    const histories = fc.commands([steps.map((step) => new StepCommand(step))], {
      maxCommands: maxSteps,
      size: 'max',
      ...(replayPath !== undefined && { replayPath }),
    })
    const details = await fc.check(
      fc.asyncProperty(histories, (history) => this.#try(history)),
      {
        numRuns: runs,
        ...(seed !== undefined && { seed }),
        ...(casePath !== undefined && { path: casePath }),
      },
    )
    if (this.#interruption !== undefined) throw this.#interruption.error
    if (this.#failure === undefined) {
      return { seed: details.seed, runs: details.numRuns, calls: this.#calls }
    }
    const [, replay = ''] = /replayPath="([^"]*)"/.exec(fc.stringify(details.counterexample)) ?? []
    throw new ModelError(this.#failure, {
      seed: details.seed,
      path: `${details.counterexamplePath} ${replay}`,
      run: details.numRuns,
    })
  }

  /** Throws when the history fails. */
  async #try(steps: Iterable<FastCheck.AsyncCommand<Stage, undefined>>): Promise<void> {
    if (this.#interruption !== undefined) throw this.#interruption.error
    try {
      const failure = await this.#play(steps)
      // What breaks something else by having lost some steps is another story.
      if (
        failure === undefined ||
        failure.error.invariant !== (this.#invariant ?? failure.error.invariant)
      )
        return
      this.#invariant = failure.error.invariant
      this.#failure = failure
    } catch (error) {
      this.#interruption = { error }
      throw error
    }
    throw this.#failure.error
  }

  async #play(
    steps: Iterable<FastCheck.AsyncCommand<Stage, undefined>>,
  ): Promise<Failure | undefined> {
    const harness = await this.#options.harness()
    try {
      const connections = [await harness.open(), await harness.open()] as const
      const { drift } = this.#options
      const history = new History({ harness, connections, queues, drift })
      const { trial } = history
      try {
        await this.#fc.asyncModelRun(() => ({ model: { history }, real: undefined }), steps)
        await trial.inspect()
      } catch (error) {
        if (!isInvariantError(error)) throw error
        return { error, lines: trial.lines }
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
