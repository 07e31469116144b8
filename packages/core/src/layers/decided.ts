import { isPromise } from '../internal/promise.ts'
import { orAborted } from '../service/cancellation.ts'
import { asRun } from '../service/request.ts'
import type { TaskRequest } from '../service/service.ts'

/**
 * Goes on with what a callback of the user's answered, in the same turn or later. An answer that comes later cannot hold up
 * the abort of the request's signal: then this rejects with its reason.
 */
export function whenDecided<Answer, Res>(
  request: TaskRequest,
  answer: Answer | Promise<Answer>,
  then: (answer: Answer) => Res | Promise<Res>,
): Res | Promise<Res> {
  if (!isPromise(answer)) return then(answer)
  return orAborted(asRun(request).cancellation, answer).then(then)
}
