import { BackendError, sleep, systemClock } from '@apalis/core'
import { answerOf, type PostgresResult, type PostgresTransaction } from './client.ts'
import type { Link } from './link.ts'
import { isConflict, toBackendError } from './postgres-errors.ts'
import { callWithin, type SeesQueue, seesQueue } from './transactions.ts'

/** How a call is made. */
export interface CallOptions {
  /** It must not wait behind what anybody else asks for. */
  readonly urgent?: boolean
  /** The caller's own transaction. */
  readonly within?: PostgresTransaction | undefined
}

/** What {@link Calls} works with. */
export interface CallsDeps {
  readonly link: Link
  readonly schema: string
  /** How long a call may take, in milliseconds. */
  readonly timeoutMs: number
}

/** The pauses before what was undone for another's sake is tried again: at first, and at most. */
const RETRY_MS = { first: 2, most: 100 } as const

/** Calls of the functions in the schema: each one statement. */
export class Calls {
  readonly #deps: CallsDeps
  #conflicts = 0

  constructor(deps: CallsDeps) {
    this.#deps = deps
  }

  /** How often the server has undone a call for another's sake (deadlocks, serialization), each of which was tried again. */
  get conflicts(): number {
    return this.#conflicts
  }

  /** Two calls at once are carried out beside each other. */
  get parallel(): boolean {
    return this.#deps.link.parallel
  }

  /** What the function answers, as text; or null. Texts come as they are, whatever a pool makes of other types. */
  async call(
    operation: string,
    name: string,
    values: readonly unknown[],
    { urgent = false, within }: CallOptions = {},
  ): Promise<unknown> {
    const { schema } = this.#deps
    const text = statement(schema, name, values.length)
    try {
      // Nothing is tried again here: what undoes a statement undoes the whole transaction.
      if (within !== undefined) return await callWithin(within, { schema, text, values })
      return answerOf((await this.#run(text, values, urgent)).rows)
    } catch (error) {
      throw toBackendError(operation, error)
    }
  }

  /** The same of a function that answers in JSON. Null: undefined. */
  async json(
    operation: string,
    name: string,
    values: readonly unknown[],
    options?: CallOptions,
  ): Promise<unknown> {
    const answer = await this.call(operation, name, values, options)
    if (answer === null || answer === undefined) return undefined
    if (typeof answer === 'string') return JSON.parse(answer)
    throw new BackendError(operation, `${name} answered with ${typeof answer}`)
  }

  /** See {@link seesQueue}. */
  async seesQueue(
    operation: string,
    queue: string,
    within: PostgresTransaction,
  ): Promise<SeesQueue> {
    try {
      return await seesQueue(within, this.#deps.schema, queue)
    } catch (error) {
      throw toBackendError(operation, error)
    }
  }

  async #run(text: string, values: readonly unknown[], urgent: boolean): Promise<PostgresResult> {
    const { link, timeoutMs } = this.#deps
    const until = systemClock.monotonic() + timeoutMs
    for (let tries = 1; ; tries += 1) {
      const left = Math.max(1, Math.ceil(until - systemClock.monotonic()))
      try {
        return await link.run(text, values, { urgent, timeoutMs: left })
      } catch (error) {
        if (!isConflict(error)) throw error
        this.#conflicts += 1
        const pause = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** tries) * (0.5 + Math.random())
        if (systemClock.monotonic() + pause >= until) throw error
        await sleep(systemClock, pause)
      }
    }
  }
}

const statements = new Map<string, string>()

function statement(schema: string, name: string, count: number): string {
  const key = `${schema}.${name}`
  let text = statements.get(key)
  if (text === undefined) {
    const values = Array.from({ length: count }, (_, index) => `$${index + 1}`).join(', ')
    text = `SELECT "${schema}".${name}(${values})::text AS answer`
    statements.set(key, text)
  }
  return text
}
