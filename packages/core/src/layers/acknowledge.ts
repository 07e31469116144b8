import { isPromise } from '../internal/promise.ts'
import { func } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { orAborted } from '../service/cancellation.ts'
import { asRun } from '../service/request.ts'
import type { Layer, TaskRequest } from '../service/service.ts'
import { tell } from './tell.ts'

/** What a call ended with. */
export type CallOutcome<Result = unknown> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly error: unknown }

/** Is told what came out of the part of the stack that {@link acknowledge} wraps. */
export type Acknowledger<in Args = unknown, in Data = unknown, in Context = unknown> = (
  outcome: CallOutcome,
  request: TaskRequest<Args, Data, Context>,
) => unknown

/**
 * Tells `fn` what comes out of the part of the stack inside it, and waits for it before the outcome goes on; when the
 * signal aborts it waits no longer. The outcome stays what it is: a `fn` that throws must not make a done task run again,
 * so that is told to the worker's listeners as an `error` event with the operation `acknowledge`. The worker's stop waits
 * for `fn`. What became of the task in the storage is for the builder's `ackWith`. apalis's `AcknowledgmentLayer`.
 */
export function acknowledge<Args = unknown, Data = unknown, Context = unknown>(
  fn: Acknowledger<Args, Data, Context>,
): Layer<Args, Data, Context> {
  func('acknowledge', fn)
  const layer: Layer<Args, Data, Context> = (inner) =>
    around(inner, (request) => {
      const after = <Value>(outcome: CallOutcome, end: () => Value): Value | Promise<Value> => {
        const told = toldInTime(fn, outcome, request)
        return told === undefined ? end() : told.then(end)
      }
      const fail = (error: unknown): never | Promise<never> =>
        after({ ok: false, error }, () => {
          throw error
        })
      let result
      try {
        result = inner.call(request)
      } catch (error) {
        return fail(error)
      }
      if (isPromise(result)) {
        return result.then((value) => after({ ok: true, result: value }, () => value), fail)
      }
      const value = result
      return after({ ok: true, result: value }, () => value)
    })
  return ownLayer(layer, { layerName: 'acknowledge' })
}

/** Never rejects; undefined when there is nothing to wait for. */
function toldInTime<Req extends TaskRequest>(
  fn: (outcome: CallOutcome, request: Req) => unknown,
  outcome: CallOutcome,
  request: Req,
): Promise<unknown> | undefined {
  const { cancellation, worker } = asRun(request)
  const told = tell(worker, 'acknowledge', () => fn(outcome, request))
  if (told === undefined) return undefined
  return orAborted(cancellation, worker.track(told)).catch(nothing)
}

function nothing(): void {}
