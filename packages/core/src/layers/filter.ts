import { AbortError, LayerError, RetryAfterError } from '../errors/task-errors.ts'
import { func, show } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { withArgs } from '../service/request.ts'
import type { ArgsLayer, Layer, TaskRequest } from '../service/service.ts'
import type { Duration } from '../time/duration.ts'
import { whenDecided } from './decided.ts'

/**
 * What a {@link filter} says of a task: `true`, it goes on; `release`, it is given back without using an attempt and comes
 * again after so long, at least 100 ms; `kill`, it is killed, for that reason.
 */
export type Verdict =
  | true
  | { readonly release: Duration; readonly reason?: string }
  | { readonly kill: string | Error }

/** A {@link Verdict}, or that the task goes on with other arguments; its own stay in the storage. */
export type ArgsVerdict<Args> = Verdict | { readonly args: Args }

/** Decides about a task before what stands inside sees it. May be async. */
export type Predicate<
  out Answer extends ArgsVerdict<unknown>,
  in Args = unknown,
  in Data = unknown,
  in Context = unknown,
> = (request: TaskRequest<Args, Data, Context>) => Answer | Promise<Answer>

/**
 * Lets `predicate` decide which tasks go on to what stands inside it, and with which arguments. A task that is released more
 * often in a row than the queue's `maxReleases` fails instead. A throw, or an answer that is no verdict, fails the attempt,
 * and so does the signal, whose abort no predicate can hold up. tower's `FilterLayer` and `AsyncFilterLayer`, apalis's
 * `filter`.
 */
export function filter<Args = unknown, Data = unknown, Context = unknown>(
  predicate: Predicate<Verdict, Args, Data, Context>,
): Layer<Args, Data, Context>
export function filter<Args = unknown, Data = unknown, Context = unknown>(
  predicate: Predicate<ArgsVerdict<NoInfer<Args>>, Args, Data, Context>,
): ArgsLayer<Args, Data, Context>
export function filter<Args, Data, Context>(
  predicate: Predicate<ArgsVerdict<Args>, Args, Data, Context>,
): ArgsLayer<Args, Data, Context> {
  func('filter', predicate)
  const layer: ArgsLayer<Args, Data, Context> = (inner) =>
    around(inner, (request) =>
      whenDecided(request, predicate(request), (verdict) => inner.call(passed(request, verdict))),
    )
  return ownLayer(layer, { layerName: 'filter' })
}

/** The request that goes on; throws when none does. */
function passed<Req extends TaskRequest>(request: Req, verdict: ArgsVerdict<unknown>): Req {
  if (verdict === true) return request
  // Typed, but whoever writes JavaScript answers with anything.
  const given: unknown = verdict
  if (typeof given === 'object' && given !== null) {
    if ('args' in verdict) return withArgs(request, verdict.args)
    if ('release' in verdict) {
      const { reason = 'filtered', release } = verdict
      throw new RetryAfterError(reason, release, { countAttempt: false })
    }
    if ('kill' in verdict) throw new AbortError(verdict.kill)
  }
  throw new LayerError(`filter answered with ${show(given)}, which is no verdict`)
}
