import type { PostgresResult, PostgresQueryable } from './client.ts'
import { within } from './deadline.ts'
import { GivenUp } from './link.ts'

/** The statements of many over one connection: each begins when the one before it has ended. */
export class Turns {
  readonly #client: PostgresQueryable
  #last: Promise<unknown> = Promise.resolve()

  constructor(client: PostgresQueryable) {
    this.#client = client
  }

  /** Runs a statement in its turn. Rejects with a {@link GivenUp} when that takes longer; before its turn nothing is sent. */
  run(text: string, values: readonly unknown[], timeoutMs: number): Promise<PostgresResult> {
    let over = false
    let sent = false
    const late = (): GivenUp => {
      over = true
      return new GivenUp(`no answer within ${timeoutMs} ms`, sent)
    }
    const answer = this.#last.then(() => {
      if (over) throw late()
      sent = true
      return this.#client.query(text, [...values])
    })
    this.#last = answer.catch(() => {
      // Whoever asked hears of it.
    })
    return within(answer, timeoutMs, late)
  }
}
