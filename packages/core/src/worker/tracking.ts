import { isPromise } from '../internal/promise.ts'
import { around } from '../service/around.ts'
import { asRun } from '../service/request.ts'
import type { Service, TaskRequest } from '../service/service.ts'
import { tracked } from '../service/tracked-call.ts'
import type { Clock } from '../time/clock.ts'

/**
 * The innermost service: says when the handler begins, and ends the call with the reason of its signal when that aborts, so
 * that every permit is freed from the inside out: at once, or after one abort grace for the shutdown deadline. Its capacity
 * is that of the handler.
 */
export function tracking<Result>(
  handler: Service<TaskRequest, Result>,
  graceMs: number,
  clock: Clock,
): Service<TaskRequest, Result> {
  return around(handler, (request: TaskRequest) => {
    const { cancellation, observer } = asRun(request)
    if (cancellation.aborted) throw cancellation.reason
    observer.began()
    const answer = handler.call(request)
    if (!isPromise(answer)) return answer
    const result = answer instanceof Promise ? answer : Promise.resolve(answer)
    return tracked(result, asRun(request), graceMs, clock)
  })
}
