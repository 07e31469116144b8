import { type Applied, BackendError, type StoreSignal, systemClock } from '@apalis/core'
import type { Database } from './database.ts'
import type { Session } from './session.ts'
import { isBusy, sqliteCode, toBackendError } from './sqlite-errors.ts'

/** How a call is written. */
export interface WriteOptions {
  /** False: a power cut may undo it, which is no loss since every process that knows of it is gone as well. @default true */
  readonly durable?: boolean
}

interface Call {
  readonly operation: string
  readonly work: (session: Session) => unknown
  readonly durable: boolean
  readonly since: number
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Done {
  readonly call: Call
  readonly answer: unknown
}

/** The pauses between tries for the lock: at first, and at most. */
const RETRY_MS = { first: 2, most: 40 } as const

/** What {@link Transactions} works with. */
export interface TransactionsDeps {
  readonly database: Database
  /** The storage's time. */
  readonly now: () => number
  /** How long a call may wait for the lock, in milliseconds. */
  readonly lockTimeoutMs: number
  /** One transaction takes calls for so long; the rest go into the next one, a turn later. @default 8 */
  readonly longestMs?: number
  /** Is told of what was committed. */
  readonly committed: (signals: readonly StoreSignal[]) => void
}

/**
 * Where calls become transactions: all that are made in one turn of the event loop share one, each in a savepoint of its
 * own. Nothing ever waits inside SQLite for a lock that others hold; the calls are tried again after a pause instead.
 */
export class Transactions {
  readonly #deps: TransactionsDeps
  #calls: Call[] = []
  #scheduled = false
  #failures = 0
  #idle: PromiseWithResolvers<void> | undefined

  constructor(deps: TransactionsDeps) {
    this.#deps = deps
  }

  /** Does the work in a transaction; settles when that is committed. */
  write<Answer>(
    operation: string,
    work: (session: Session) => Answer,
    { durable = true }: WriteOptions = {},
  ): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      this.#calls.push({
        operation,
        work,
        durable,
        since: systemClock.monotonic(),
        // What the work gives is what the promise is of.
        resolve: resolve as (answer: unknown) => void,
        reject,
      })
      this.#schedule()
    })
  }

  /** Settles when no call waits any more. */
  idle(): Promise<void> {
    if (this.#calls.length === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers<void>()
    return this.#idle.promise
  }

  /** At the end of this turn, so that calls made by other callbacks of the turn are in it too. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    const began = this.#begin()
    if (began) this.#run()
    if (this.#calls.length > 0) {
      if (began) this.#schedule()
      return
    }
    this.#idle?.resolve()
    this.#idle = undefined
  }

  /** Begins a transaction. False: there is no call to make now. */
  #begin(): boolean {
    const { database } = this.#deps
    const problem = database.problem()
    if (problem !== undefined) {
      for (const call of this.#calls.splice(0)) this.#refuse(call, problem)
      return false
    }
    try {
      database.begin(this.#calls.some(({ durable }) => durable))
      this.#failures = 0
      return true
    } catch (error) {
      if (isBusy(error)) this.#later()
      else this.#fail(this.#calls.splice(0), error)
      return false
    }
  }

  #run(): void {
    const { database, now, longestMs = 8, committed } = this.#deps
    const started = systemClock.monotonic()
    const shared = this.#calls.length > 1
    const done: Done[] = []
    const signals: StoreSignal[] = []
    const session = database.session(now())
    do {
      const call = this.#calls.shift()
      if (call === undefined) break
      try {
        if (shared) database.beginCall()
        const answer = call.work(session)
        signals.push(...session.effects.write(session.sql))
        if (shared) database.endCall()
        done.push({ call, answer })
      } catch (error) {
        session.effects.clear()
        session.queues.rolledBack()
        this.#fail([call], error)
        if (shared && database.rollbackCall()) continue
        // The call was alone, or SQLite has undone all of them: what a full disk does.
        database.rollback()
        this.#fail(done.map(callOf), error)
        return
      }
    } while (systemClock.monotonic() - started < longestMs)
    try {
      database.commit()
    } catch (error) {
      database.rollback()
      session.queues.rolledBack()
      const applied = sqliteCode(error) === 'SQLITE_IOERR' ? 'unknown' : 'no'
      return this.#fail(done.map(callOf), error, applied)
    }
    session.queues.committed()
    for (const { call, answer } of done) call.resolve(answer)
    committed(signals)
  }

  /** Tries again after a pause, the calls that have waited long enough excepted. */
  #later(): void {
    const { lockTimeoutMs } = this.#deps
    const oldest = systemClock.monotonic() - lockTimeoutMs
    const problem = `another connection has held the lock for ${lockTimeoutMs} ms`
    for (const call of this.#calls) if (call.since <= oldest) this.#refuse(call, problem)
    this.#calls = this.#calls.filter(({ since }) => since > oldest)
    if (this.#calls.length === 0) return
    this.#failures += 1
    const pause = Math.min(RETRY_MS.most, RETRY_MS.first * this.#failures)
    this.#scheduled = true
    // Real time, whatever the storage's clock is: the lock is another connection's, which lives in that.
    systemClock.setTimer(() => this.#flush(), pause * (0.5 + Math.random()))
  }

  /** Nothing was tried. */
  #refuse({ operation, reject }: Call, problem: string): void {
    const { path } = this.#deps.database
    reject(new BackendError(operation, `${path}: ${problem}`, { applied: 'no' }))
  }

  #fail(calls: readonly Call[], error: unknown, applied: Applied = 'no'): void {
    const { path } = this.#deps.database
    for (const { operation, reject } of calls) {
      reject(toBackendError(operation, error, { path, applied }))
    }
  }
}

function callOf({ call }: Done): Call {
  return call
}
