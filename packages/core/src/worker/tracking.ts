import { isPromise } from '../internal/promise.ts'
import { isInterruptedError } from '../errors/task-errors.ts'
import { around } from '../service/around.ts'
import { asRun, type RunRequest } from '../service/request.ts'
import type { Service, TaskRequest } from '../service/service.ts'
import type { Clock, Timer } from '../time/clock.ts'

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
    return new TrackedCall(result, asRun(request), graceMs, clock).outcome
  })
}

/** A handler's answer that comes later, or the reason why nobody waits for it any more. */
class TrackedCall<Result> {
  readonly outcome: Promise<Result>
  readonly #result: Promise<Result>
  readonly #run: Pick<RunRequest<unknown, unknown, unknown>, 'observer'>
  readonly #graceMs: number
  readonly #clock: Clock
  readonly #off: () => void
  #running = true
  #timer: Timer | undefined
  #resolve: (result: Result) => void = unset
  #reject: (reason: unknown) => void = unset

  constructor(
    result: Promise<Result>,
    run: RunRequest<unknown, unknown, unknown>,
    graceMs: number,
    clock: Clock,
  ) {
    this.#result = result
    this.#run = run
    this.#graceMs = graceMs
    this.#clock = clock
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#off = run.cancellation.onAbort((reason) => this.#abort(reason))
    result.then(
      (value) => {
        this.#end()
        this.#resolve(value)
      },
      (error: unknown) => {
        this.#end()
        this.#reject(error)
      },
    )
  }

  #abort(reason: unknown): void {
    if (!isInterruptedError(reason)) this.#reject(reason)
    this.#timer = this.#clock.setTimer(() => {
      if (!this.#running) return
      this.#run.observer.leaked(this.#result)
      this.#reject(reason)
    }, this.#graceMs)
  }

  #end(): void {
    this.#running = false
    this.#off()
    this.#timer?.cancel()
  }
}

function unset(): void {}
