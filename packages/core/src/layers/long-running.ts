import { knownKeys } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { asRun, withData } from '../service/request.ts'
import type { ProvidingLayer } from '../service/service.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import type { CallOutcome } from './acknowledge.ts'
import { WorkGroup } from './work-group.ts'

/** Options of {@link longRunning}. */
export interface LongRunningOptions {
  /** How long a piece of work may take; then its signal aborts with a `TimeoutError`. @default none: as long as the run may */
  readonly maxDuration?: Duration
}

/** A piece of work. `signal` aborts when it has to end: its time is over, the handler threw, or the run has to end. */
export type Work<out Result> = (signal: AbortSignal) => Result | Promise<Result>

/** Starts work that belongs to the run of a task, although the handler does not wait for it. apalis's `Runner`. */
export interface Runner {
  /**
   * Starts work now. The run goes on until it has ended, also when the handler has returned, and keeps its claim and its
   * places in every limit; a failure of it fails the run. Throws when it cannot belong to the run any more: the reason of
   * the signal after that aborted, a `LayerError` after the run has ended. While the worker drains, work is taken as before.
   */
  execute(work: Work<unknown>): void
  /** Makes a channel: work started through it gives back its results in the order in which they come. */
  channel<Result>(): WorkChannel<Result>
}

/** Work whose results are read: `for await (const outcome of channel)`. Ends when all that was started has ended and was read. */
export interface WorkChannel<Result> extends AsyncIterable<CallOutcome<Result>> {
  /** As {@link Runner.execute}, but a failure that was read fails nothing. */
  execute(work: Work<Result>): void
}

/**
 * Gives the handler a {@link Runner} as `data.runner`, for work that goes on beside it or after it: `.provide(longRunning())`.
 * The run ends when the handler and all its work have ended: until then the task stays claimed, counts in the worker's
 * `taskCount` together with each piece of work, and holds up the worker's stop. When the handler throws, or the run has to
 * end (timeout, cancel, lost lease, shutdown deadline), the work's signals abort; work that goes on one second later is
 * left behind and told as leaked. At most 10,000 pieces of a run may be going on or unread. apalis's `LongRunningLayer`.
 */
export function longRunning(
  options: LongRunningOptions = {},
): ProvidingLayer<{ readonly runner: Runner }> {
  knownKeys('longRunning', options, ['maxDuration'])
  const { maxDuration } = options
  const maxMs =
    maxDuration === undefined
      ? undefined
      : durationMs('longRunning.maxDuration', maxDuration, { min: 1 })
  const layer: ProvidingLayer<{ readonly runner: Runner }> = (inner) =>
    around(inner, (request) => {
      const group = new WorkGroup(asRun(request), maxMs)
      return group.through(() => inner.call(withData(request, { runner: group.runner })))
    })
  return ownLayer(layer, { layerName: 'longRunning' })
}
