import { toStoredError } from '../errors/stored-error.ts'
import { LayerError } from '../errors/task-errors.ts'
import { func } from '../internal/validate.ts'
import type { Timer } from '../time/clock.ts'
import { around } from './around.ts'
import { ABORT_GRACE_MS } from './cancellation.ts'
import { ownLayer } from './own-layer.ts'
import { asRun } from './request.ts'
import type { Layer, Service, TaskRequest } from './service.ts'

declare const brand: unique symbol

/** That the inside was called and has ended well. Only `next()` makes one, and a layer function has to return it. */
export interface Passed {
  readonly [brand]: 'Passed'
}

/**
 * Calls what stands inside, with the same request or with one derived from it (`withSignal`, `withData`), once. Rejects
 * with what the inside throws, and without calling it with the reason of the signal when that has aborted.
 */
export type Next = (request?: TaskRequest) => Promise<Passed>

/** A layer as a plain function: `async (request, next) => { …; const passed = await next(); …; return passed }`. */
export type LayerFunction<in Args = unknown, in Data = unknown, in Context = unknown> = (
  request: TaskRequest<Args, Data, Context>,
  next: Next,
) => Promise<Passed>

/**
 * Makes a {@link Layer} of a plain function. The result passes through it unseen; it may throw, before `next()` or
 * instead of what `next()` threw. Fails the task with a `LayerError` when it calls `next` twice, or ends without having
 * called and awaited it and given back what it gave.
 */
export function use<Args = unknown, Data = unknown, Context = unknown>(
  fn: LayerFunction<Args, Data, Context>,
): Layer<Args, Data, Context> {
  const layerName = func('layer function', fn).name || 'use'
  const layer: Layer<Args, Data, Context> = (inner) =>
    around(inner, (request) => new Passage(layerName, inner, request).through(fn))
  return ownLayer(layer, { layerName })
}

/** One call on its way through one layer function. */
class Passage<Req extends TaskRequest, Res> {
  readonly #name: string
  readonly #inner: Service<Req, Res>
  readonly #request: Req
  #state: 'outside' | 'inside' | 'passed' | 'threw' = 'outside'
  #over = false
  /** The call of the inside; never rejects. */
  #inside: Promise<void> | undefined
  #passed: { readonly result: Res } | undefined
  #thrown: unknown
  /** The first thing that the function did wrong; counts even if the function caught it. */
  #fault: LayerError | undefined

  constructor(name: string, inner: Service<Req, Res>, request: Req) {
    this.#name = name
    this.#inner = inner
    this.#request = request
  }

  async through(fn: (request: Req, next: Next) => Promise<Passed>): Promise<Res> {
    let given: unknown
    let thrown: { readonly error: unknown } | undefined
    try {
      given = await this.#bounded(Promise.resolve(fn(this.#request, this.#next)))
    } catch (error) {
      thrown = { error }
    }
    const early = this.#state === 'inside'
    // Also what throws waits for the handler: settled before, the task could run twice at once.
    await this.#inside
    this.#over = true
    const passed = this.#passed
    if (this.#fault !== undefined) throw this.#fault
    if (thrown !== undefined) throw thrown.error
    if (early || passed === undefined || given !== passed) throw this.#blame(this.#omission(early))
    return passed.result
  }

  readonly #next: Next = (request = this.#request) => {
    const wrong = this.#objection(request)
    if (wrong !== undefined) return refusal(this.#blame(wrong))
    const { cancellation } = asRun(this.#request)
    // The run has to end, and nothing of it begins any more, whatever signal the function has for it.
    if (cancellation.aborted) return refusal(cancellation.reason)
    this.#state = 'inside'
    const entered = this.#enter(request)
    this.#inside = entered.then(nothing, nothing)
    return entered
  }

  async #enter(request: TaskRequest): Promise<Passed> {
    try {
      // A derived request of the same task is what the inner service takes.
      this.#passed = { result: await this.#inner.call(request as Req) }
      this.#state = 'passed'
      // Opaque to the function, and compared by identity when it comes back.
      return this.#passed as unknown as Passed
    } catch (error) {
      this.#thrown = error
      this.#state = 'threw'
      throw error
    }
  }

  /** Nothing inside ends a function that hangs outside of `next()` when the signal aborts, so this does. */
  #bounded(work: Promise<Passed>): Promise<Passed> {
    const { cancellation, clock } = asRun(this.#request)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const off = cancellation.onAbort((reason) => {
        const leave = (): void => reject(reason)
        // Once the handler has begun, the function gets the time to clean up behind it.
        if (this.#state === 'outside') leave()
        else timer = clock.setTimer(leave, ABORT_GRACE_MS)
      })
      const end = (): void => {
        off()
        timer?.cancel()
      }
      work.then(resolve, reject).finally(end)
    })
  }

  #objection(request: TaskRequest): string | undefined {
    if (this.#over) return 'called next() after it had ended'
    if (this.#state !== 'outside') return 'called next() twice'
    if (request.task !== this.#request.task) return 'called next() with the request of another task'
    return undefined
  }

  #omission(early: boolean): string {
    if (early) return 'ended before next() had'
    if (this.#state === 'threw') {
      const { name, message } = toStoredError(this.#thrown)
      return `swallowed what next() threw: ${name}: ${message}`
    }
    return this.#state === 'passed'
      ? 'did not return what next() gave'
      : 'ended without calling next()'
  }

  #blame(what: string): LayerError {
    return (this.#fault ??= new LayerError(`layer function "${this.#name}" ${what}`))
  }
}

/** A rejection that nobody has to hear. */
function refusal(reason: unknown): Promise<never> {
  const refused = Promise.reject<never>(reason)
  refused.catch(nothing)
  return refused
}

function nothing(): void {}
