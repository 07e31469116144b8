import { LeaseLostError, TaskKilledError } from '../errors/task-errors.ts'
import { OptionError } from '../internal/validate.ts'
import type { TaskRequest } from '../service/service.ts'
import type { QueueContext } from '../task/task.ts'
import { whyStale } from './incarnation.ts'
import type { LedgerEntry } from './ledger.ts'
import type { QueueCore } from './queue-core.ts'
import { entryOf } from './rows.ts'

/** What a handler gives as its result; nothing where the queue keeps none, or it may be undefined. */
export type ResultArgument<Result> = undefined extends Result ? [result?: Result] : [result: Result]

/** The end of a running task inside a transaction of the caller's; made by `Queue.settleWithin`. */
export interface Completion<in out Result> {
  /**
   * Ends the task whose handler was given `request` as done, with `result`. It is written in the transaction, under the
   * fence of the claim: what the handler did there and that the task is done commit together, or neither does. Gives the
   * result back, for the handler to return; called again, the result of the first call. What the handler does after the
   * commit changes nothing any more; after a rollback its outcome counts as if this had never been called.
   *
   * From now until the transaction ends the task is locked: call it last, and return when the transaction has ended, since
   * what the handler returns waits for that, and with it what ends then in the same worker. Rejects, and the transaction is
   * to be rolled back, with a `TaskKilledError` or `LeaseLostError` where the claim is no longer the worker's, with the
   * signal's reason where the run was aborted, with an `EncodeError` for a result that cannot be stored, and with an
   * `OptionError` for a request that is no run of a task of this queue.
   */
  done(
    request: TaskRequest<unknown, unknown, QueueContext>,
    ...result: ResultArgument<Result>
  ): Promise<Result>
}

/** What a {@link TransactionalCompletion} works with. */
export interface CompletionDeps<Result, Tx> {
  readonly core: QueueCore<Tx>
  /** See `ClaimsDeps.encodeResult`. */
  readonly encodeResult: (result: Result) => string | undefined
}

/** Settles in a transaction of the caller's. */
export class TransactionalCompletion<Result, Tx> implements Completion<Result> {
  readonly #deps: CompletionDeps<Result, Tx>
  readonly #tx: Tx

  constructor(deps: CompletionDeps<Result, Tx>, tx: Tx) {
    this.#deps = deps
    this.#tx = tx
  }

  async done(
    request: TaskRequest<unknown, unknown, QueueContext>,
    ...[given]: ResultArgument<Result>
  ): Promise<Result> {
    const { queue, store } = this.#deps.core
    const entry = this.#claimOf(request)
    request.signal.throwIfAborted()
    // Its handler has returned, or thrown, and that is how it ends.
    if (entry.carried && entry.completed === undefined) throw new LeaseLostError(entry.lockedBy)
    // Absent only where it may be undefined.
    const result = given as Result
    const encoded = this.#deps.encodeResult(result)
    const before = entry.completed
    // From the first moment that anybody could see it done.
    entry.completed = { result }
    const { id, epoch, lockedBy } = entry
    const outcome = { type: 'done', ...(encoded !== undefined && { result: encoded }) } as const
    const worker = { id: lockedBy, queue }
    const [settled] = await store.settle(worker, [{ id, epoch, outcome }], { within: this.#tx })
    if (settled === 'applied') return result
    if (settled === 'repeated') {
      // What was stored first stays.
      entry.completed = before ?? { result }
      return entry.completed.result as Result
    }
    entry.completed = undefined
    const [why] = await whyStale({ queue, store }, [entry])
    throw why === 'cancelled' ? new TaskKilledError(id) : new LeaseLostError(lockedBy)
  }

  #claimOf(request: TaskRequest<unknown, unknown, QueueContext>): LedgerEntry {
    const { queue } = this.#deps.core
    // Typed as a request, but JavaScript passes anything.
    const given: { readonly task?: TaskRequest['task'] } | null | undefined = request
    const parts = given?.task?.parts
    const entry = parts === undefined ? undefined : entryOf(parts)
    if (entry !== undefined && request.task.parts.context.queue === queue) return entry
    const expected = `the request that a handler of queue ${JSON.stringify(queue)} was given`
    throw new OptionError('settleWithin(tx).done', request, expected)
  }
}
