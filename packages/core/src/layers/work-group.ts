import { LayerError, TimeoutError } from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { func } from '../internal/validate.ts'
import { ABORT_GRACE_MS, RunCancellation } from '../service/cancellation.ts'
import type { RunRequest } from '../service/request.ts'
import { tracked } from '../service/tracked-call.ts'
import type { CallOutcome } from './acknowledge.ts'
import type { Runner, Work } from './long-running.ts'
import { OutcomeChannel } from './outcome-channel.ts'

/** So many pieces of one run may be going on or unread. */
const MOST_PIECES = 10_000

/** A failure that nobody has looked at. */
type Failure = Extract<CallOutcome, { readonly ok: false }>

/** The handler of one run together with the work that it started: it ends when all of them have. */
export class WorkGroup {
  readonly #run: RunRequest<unknown, unknown, unknown>
  readonly #maxMs: number | undefined
  /** Ends the work, and refuses more: as the run's own, and when the handler throws. */
  readonly #cancellation = new RunCancellation()
  readonly #unlink: () => void
  /** In the order in which they came. */
  readonly #unread = new Set<Failure>()
  #pieces = 0
  #kept = 0
  #closed = false
  #onIdle: () => void = nothing

  constructor(run: RunRequest<unknown, unknown, unknown>, maxMs: number | undefined) {
    this.#run = run
    this.#maxMs = maxMs
    this.#unlink = run.cancellation.onAbort((reason) => this.#cancellation.abort(reason))
  }

  /** What the handler is given. */
  get runner(): Runner {
    return {
      execute: (work) => this.#start(work, (outcome) => outcome.ok || this.#unread.add(outcome)),
      channel: <Result>() =>
        new OutcomeChannel<Result>({
          start: (work, onEnd) => this.#start(work, onEnd),
          keep: (outcome) => this.#keep(outcome),
          read: (outcome) => this.#read(outcome),
        }),
    }
  }

  /** What `call` ends with, once all work has ended too; or the first failure of that, if nobody read it. */
  through<Res>(call: () => Res | Promise<Res>): Res | Promise<Res> {
    let result: Res | Promise<Res>
    try {
      result = call()
    } catch (error) {
      return this.#fail(error)
    }
    if (!isPromise(result)) return this.#finish(result)
    return result.then(
      (value) => this.#finish(value),
      (error: unknown) => this.#fail(error),
    )
  }

  #finish<Value>(value: Value): Value | Promise<Value> {
    if (this.#pieces > 0) return this.#idle().then(() => this.#finish(value))
    const [failure] = this.#unread
    if (failure !== undefined) return this.#fail(failure.error)
    this.#close()
    return value
  }

  #fail(error: unknown): never | Promise<never> {
    this.#cancellation.abort(error)
    if (this.#pieces > 0) return this.#idle().then(() => this.#fail(error))
    this.#close()
    for (const failure of this.#unread) {
      // One error decides what becomes of the task; the others are not to go unheard.
      if (failure.error !== error) {
        this.#run.worker.emit({ type: 'error', operation: 'longRunning', error: failure.error })
      }
    }
    throw error
  }

  #close(): void {
    this.#closed = true
    this.#unlink()
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  #start<Result>(work: Work<Result>, onEnd: (outcome: CallOutcome<Result>) => void): void {
    func('work', work)
    this.#admit()
    const { clock, id, observer, worker } = this.#run
    const cancellation = new RunCancellation()
    const unlink = this.#cancellation.onAbort((reason) => cancellation.abort(reason))
    const maxMs = this.#maxMs
    const timer =
      maxMs === undefined
        ? undefined
        : clock.setTimer(
            () => cancellation.abort(new TimeoutError(`work of task ${id}`, maxMs)),
            maxMs,
          )
    this.#pieces += 1
    const result = (async () => work(cancellation.signal))()
    const leftBehind = Promise.withResolvers<void>()
    const leaked = (end: Promise<unknown>): void => {
      observer.leaked(end)
      leftBehind.resolve()
    }
    const run = { cancellation, observer: { leaked } }
    const told = tracked(result, run, ABORT_GRACE_MS, clock).then(
      (value) => onEnd({ ok: true, result: value }),
      (error: unknown) => onEnd({ ok: false, error }),
    )
    // Its outcome is told as soon as it is known; the claim is kept until it really goes on no longer.
    const over = Promise.race([result.then(nothing, nothing), leftBehind.promise])
    const ended = Promise.all([told, over]).then(() => {
      timer?.cancel()
      unlink()
      this.#pieces -= 1
      if (this.#pieces === 0) this.#onIdle()
    })
    void worker.track(ended)
  }

  #admit(): void {
    if (this.#cancellation.aborted) throw this.#cancellation.reason
    if (this.#closed) throw new LayerError('work was started after the run of its task had ended')
    if (this.#pieces + this.#kept >= MOST_PIECES) {
      throw new LayerError(`${MOST_PIECES} pieces of work of one run are going on or unread`)
    }
  }

  #keep(outcome: CallOutcome): void {
    this.#kept += 1
    if (!outcome.ok) this.#unread.add(outcome)
  }

  #read(outcome: CallOutcome): void {
    this.#kept -= 1
    if (!outcome.ok) this.#unread.delete(outcome)
  }
}

function nothing(): void {}
