import type { CallOutcome } from './acknowledge.ts'
import type { Work, WorkChannel } from './long-running.ts'

/** What an {@link OutcomeChannel} needs of the run that it belongs to. */
export interface ChannelHooks<Result> {
  /** Starts work, or throws. */
  readonly start: (work: Work<Result>, onEnd: (outcome: CallOutcome<Result>) => void) => void
  /** An outcome waits for a reader. */
  readonly keep: (outcome: CallOutcome<Result>) => void
  /** One that waited was read. */
  readonly read: (outcome: CallOutcome<Result>) => void
}

type Step<Result> = IteratorResult<CallOutcome<Result>, undefined>

/** Outcomes on their way from work to whoever reads them. Several readers get each outcome once. */
export class OutcomeChannel<Result> implements WorkChannel<Result> {
  readonly #hooks: ChannelHooks<Result>
  readonly #kept: CallOutcome<Result>[] = []
  readonly #readers: ((step: Step<Result>) => void)[] = []
  #going = 0

  constructor(hooks: ChannelHooks<Result>) {
    this.#hooks = hooks
  }

  execute(work: Work<Result>): void {
    this.#hooks.start(work, (outcome) => this.#take(outcome))
    this.#going += 1
  }

  [Symbol.asyncIterator](): AsyncIterator<CallOutcome<Result>, undefined> {
    return { next: () => this.#next() }
  }

  #take(outcome: CallOutcome<Result>): void {
    this.#going -= 1
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader({ done: false, value: outcome })
    } else {
      this.#kept.push(outcome)
      this.#hooks.keep(outcome)
    }
    if (this.#going === 0) for (const late of this.#readers.splice(0)) late(DONE)
  }

  #next(): Promise<Step<Result>> {
    const outcome = this.#kept.shift()
    if (outcome !== undefined) {
      this.#hooks.read(outcome)
      return Promise.resolve({ done: false, value: outcome })
    }
    if (this.#going === 0) return Promise.resolve(DONE)
    return new Promise((resolve) => {
      this.#readers.push(resolve)
    })
  }
}

const DONE = { done: true, value: undefined } as const
