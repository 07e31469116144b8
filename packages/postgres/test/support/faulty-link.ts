import { AsyncLocalStorage } from 'node:async_hooks'
import { isBackendError } from '@apalis/core'
import { LostAnswer } from '@apalis/core/testing'
import type { PostgresResult } from '../../src/client.ts'
import { GivenUp, type Link, type RunOptions, type Subscriber } from '../../src/link.ts'

/** One call of a store: the answers to its statements so far. */
interface StoreCall {
  readonly answers: PostgresResult[]
  /** A statement failed. */
  failed: boolean
  /** It was carried out, and its answer lost. */
  lost: boolean
  /** How many of the answers are given again; undefined: none. */
  again?: number
}

/** How often what goes wrong, as shares of all statements. */
export interface FaultShares {
  /** A statement is not carried out. */
  readonly refused: number
  /** It is carried out, and the answer lost. */
  readonly lost: number
}

/** What comes of a statement that was not carried out: the server says so, or the connection fails, or nobody knows. */
const refusals: readonly (() => Error)[] = [
  () => serverError('40P01', 'deadlock detected'),
  () => serverError('40001', 'could not serialize access due to concurrent update'),
  () => serverError('53300', 'sorry, too many clients already'),
  () => serverError('55P03', 'canceling statement due to lock timeout'),
  () => serverError('57014', 'canceling statement due to statement timeout'),
  () => serverError('57P03', 'the database system is starting up'),
  () => serverError('25006', 'cannot execute UPDATE in a read-only transaction'),
  () =>
    Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' }),
  () => new GivenUp('no connection within 9000 ms', false),
]

/** What comes of one of which nobody knows whether it was carried out. */
const losses: readonly (() => Error)[] = [
  () => serverError('57P01', 'terminating connection due to administrator command'),
  () => serverError('57P02', 'terminating connection because of crash of another server process'),
  () => serverError('08006', 'connection failure'),
  () => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }),
  () => new Error('Connection terminated unexpectedly'),
  () => new GivenUp('no answer within 9000 ms', true),
]

/** A way to the server on which statements fail by chance, before they come there or on the way back. */
export class FaultyLink implements Link {
  readonly parallel: boolean
  readonly #link: Link
  readonly #shares: () => FaultShares
  readonly #random: () => number
  readonly #calls = new AsyncLocalStorage<StoreCall>()
  /** How many statements failed. */
  failed = 0
  /** What calls told of that and should not have. */
  readonly lies: string[] = []

  /** `shares` is asked at every statement, `random` says what becomes of it: a number from 0 up to 1. */
  constructor(link: Link, shares: () => FaultShares, random: () => number) {
    this.parallel = link.parallel
    this.#link = link
    this.#shares = shares
    this.#random = random
  }

  get direct(): boolean {
    return this.#link.direct
  }

  /**
   * Makes a call of a store over this link. Rejects as that does; where an answer was lost and that is all that went wrong, with
   * a `LostAnswer`.
   */
  async call<Value>(make: () => Promise<Value>): Promise<Value> {
    const call: StoreCall = { answers: [], failed: false, lost: false }
    try {
      return await this.#calls.run(call, make)
    } catch (error) {
      this.#check(call, error)
      if (!call.lost) throw error
      // What the store would have made of the answers. Where it refuses, or had more to ask, nothing was decided.
      const again = this.#calls.run({ ...call, again: 0 }, make)
      throw await again.then(
        (answer) => new LostAnswer(answer, error),
        () => error,
      )
    }
  }

  async run(
    text: string,
    values: readonly unknown[],
    options: RunOptions,
  ): Promise<PostgresResult> {
    // A hint is sent after the call that it is about.
    const call = text.includes('pg_notify') ? undefined : this.#calls.getStore()
    if (call?.again !== undefined) {
      const answer = call.answers[call.again]
      call.again += 1
      if (answer === undefined) throw new Error('it was not asked for that')
      return answer
    }
    const { refused, lost } = this.#shares()
    const draw = this.#random()
    if (call !== undefined) call.failed = draw < refused + lost
    if (draw < refused) throw this.#failure(this.#random() < 0.7 ? refusals : losses)
    const answer = await this.#link.run(text, values, options)
    call?.answers.push(answer)
    if (draw >= refused + lost) return answer
    if (call !== undefined) call.lost = true
    throw this.#failure(losses)
  }

  async listen(
    channel: string,
    subscriber: Subscriber,
    options: RunOptions,
  ): Promise<AsyncDisposable> {
    if (this.#random() < this.#shares().refused) throw this.#failure(refusals)
    return this.#link.listen(channel, subscriber, options)
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  /** All of this passes, and what was carried out may not be denied. */
  #check({ failed, lost }: StoreCall, error: unknown): void {
    if (!failed) return
    const honest =
      isBackendError(error) && error.transient && (error.applied === 'unknown' || !lost)
    if (!honest) this.lies.push(`${lost ? 'lost' : 'refused'}: ${String(error)}`)
  }

  #failure(failures: readonly (() => Error)[]): Error {
    this.failed += 1
    const make = failures[Math.floor(this.#random() * failures.length)]
    return make?.() ?? new Error('the connection is down')
  }
}

function serverError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
