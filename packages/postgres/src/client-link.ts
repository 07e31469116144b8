import type {
  PostgresClient,
  PostgresInProcess,
  PostgresNotification,
  PostgresResult,
} from './client.ts'
import { within } from './deadline.ts'
import { ConnectionOver, GivenUp, type Link, type RunOptions, type Subscriber } from './link.ts'
import { ignore } from './pool-listener.ts'
import { Turns } from './turns.ts'

/** Statements over one connection of the caller's, one after the other. When that ends it is over with the link as well. */
export class ClientLink implements Link {
  readonly parallel = false
  readonly direct = false
  readonly #client: PostgresClient
  readonly #turns: Turns
  #over = false
  #answered = false

  constructor(client: PostgresClient) {
    this.#client = client
    this.#turns = new Turns({
      query: async (text, values) => {
        if (this.#over) throw new ConnectionOver()
        return client.query(text, values)
      },
    })
    client.on('error', ignore)
    client.on('end', this.#ended)
  }

  async run(
    text: string,
    values: readonly unknown[],
    { timeoutMs }: RunOptions,
  ): Promise<PostgresResult> {
    try {
      const answer = await this.#turns.run(text, values, timeoutMs)
      this.#answered = true
      return answer
    } catch (error) {
      // A client that was never connected keeps everything for later, and says nothing.
      if (this.#answered || !(error instanceof GivenUp)) throw error
      throw new GivenUp(`${error.message}; was this client connected?`, error.sent)
    }
  }

  async listen(
    channel: string,
    { onMessage, onEnd }: Subscriber,
    { timeoutMs }: RunOptions,
  ): Promise<AsyncDisposable> {
    const client = this.#client
    const heard = (message: PostgresNotification): void => {
      if (message.channel === channel) onMessage(message.payload)
    }
    const lost = (error: unknown): void => {
      detach()
      onEnd(error)
    }
    const ended = (): void => lost(new Error('the connection was closed'))
    const detach = (): void => {
      client.removeListener('notification', heard)
      client.removeListener('error', lost)
      client.removeListener('end', ended)
    }
    client.on('notification', heard)
    client.on('error', lost)
    client.on('end', ended)
    try {
      await this.#turns.run(`LISTEN "${channel}"`, [], timeoutMs)
    } catch (error) {
      detach()
      throw error
    }
    return {
      // It listens on: others may do so by the same connection.
      [Symbol.asyncDispose]: async () => detach(),
    }
  }

  async close(): Promise<void> {
    // The connection is the caller's.
    this.#client.removeListener('error', ignore)
    this.#client.removeListener('end', this.#ended)
  }

  readonly #ended = (): void => {
    this.#over = true
  }
}

/** Statements to PostgreSQL in this process. */
export class InProcessLink implements Link {
  readonly parallel = false
  readonly direct = true
  readonly oneSession = true
  readonly #database: PostgresInProcess

  constructor(database: PostgresInProcess) {
    this.#database = database
  }

  run(
    text: string,
    values: readonly unknown[],
    { timeoutMs }: RunOptions,
  ): Promise<PostgresResult> {
    return within(
      this.#database.query(text, [...values]),
      timeoutMs,
      () => new GivenUp(`no answer within ${timeoutMs} ms`, true),
    )
  }

  async listen(channel: string, { onMessage }: Subscriber): Promise<AsyncDisposable> {
    const unlisten = await this.#database.listen(channel, onMessage)
    return { [Symbol.asyncDispose]: unlisten }
  }

  async close(): Promise<void> {
    // The database is the caller's.
  }
}
