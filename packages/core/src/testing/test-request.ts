import { knownKeys, wholeNumber } from '../internal/validate.ts'
import { RunCancellation } from '../service/cancellation.ts'
import { type RunEnd, RunRequest } from '../service/request.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { Metadata } from '../task/metadata.ts'
import { newTaskId, type TaskId } from '../task/task-id.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import { TestContext } from './test-context.ts'

/** What a {@link testRequest} may differ in. */
export interface TestRequestOptions<Data = {}, Context = {}> {
  /** What the builder's `data`, `extract` and `provide` would have given. @default {} */
  readonly data?: Data
  /** @default a new ULID */
  readonly id?: TaskId
  /** The number of this run. @default 1 */
  readonly attempt?: number
  /** The most runs there may be. @default 5 */
  readonly attempts?: number
  /** @default {} */
  readonly metadata?: Metadata
  /** What the backend would keep. @default {} */
  readonly context?: Context
  /** @default a new {@link TestContext} */
  readonly worker?: WorkerContext
  /** What the layers wait and measure by. @default the system's */
  readonly clock?: Clock
}

const OPTIONS: readonly (keyof TestRequestOptions)[] = [
  'data',
  'id',
  'attempt',
  'attempts',
  'metadata',
  'context',
  'worker',
  'clock',
]

/** A request as layers, extractors and handlers get it from a worker, made by {@link testRequest}. */
export class TestRequest<out Args, out Data = {}, out Context = {}> extends RunRequest<
  Args,
  Data,
  Context
> {
  readonly #run: RunCancellation
  readonly #endListeners: ((end: RunEnd) => void)[]

  /** @internal */
  constructor(args: Args, options: TestRequestOptions<Data, Context>) {
    knownKeys('testRequest', options, OPTIONS)
    const {
      // Whoever needs data or a context of a certain type has to give them.
      data = {} as Data,
      context = {} as Context,
      clock = systemClock,
      id = newTaskId(clock.now()),
      attempt = 1,
      attempts = 5,
      metadata = {},
      worker = new TestContext(),
    } = options
    const max = wholeNumber('attempts', attempts, { min: 1 })
    const parts = {
      taskId: id,
      attempt: { current: wholeNumber('attempt', attempt, { min: 1, max }), max },
      status: 'running' as const,
      runAt: new Date(clock.now()),
      metadata,
      timeoutMs: undefined,
      context,
    }
    const run = new RunCancellation()
    const endListeners: ((end: RunEnd) => void)[] = []
    const onEnd = (callback: (end: RunEnd) => void): void => void endListeners.push(callback)
    super({ args, parts }, data, worker, clock, run, { began: nothing, leaked: nothing, onEnd })
    this.#run = run
    this.#endListeners = endListeners
  }

  /** Ends the run from outside, as a timeout, a cancel or a shutdown does: the signal aborts with `reason`. */
  abort(reason: unknown): void {
    this.#run.abort(reason)
  }

  /** Says what became of the run, as a worker does when its outcome is decided: layers may wait for that. */
  end(end: RunEnd): void {
    for (const listener of this.#endListeners) listener(end)
  }
}

/**
 * A request for a test of a layer, an extractor or a handler. `testRequest(args, { data })`; `request.abort(reason)` aborts
 * its signal.
 */
export function testRequest<Args, Data = {}, Context = {}>(
  args: Args,
  options: TestRequestOptions<Data, Context> = {},
): TestRequest<Args, Data, Context> {
  return new TestRequest(args, options)
}

function nothing(): void {}
