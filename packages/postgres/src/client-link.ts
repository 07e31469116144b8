import type {
  PostgresClient,
  PostgresInProcess,
  PostgresNotification,
  PostgresResult,
} from './client.ts'
import { within } from './deadline.ts'
import { GivenUp, type Link, type RunOptions } from './link.ts'

/** Statements over one connection of the caller's, one after the other. */
export class ClientLink implements Link {
  readonly #client: PostgresClient

  constructor(client: PostgresClient) {
    this.#client = client
  }

  run(text: string, values: readonly unknown[], options: RunOptions): Promise<PostgresResult> {
    return query(this.#client, text, values, options)
  }

  async listen(
    channel: string,
    onMessage: (message: PostgresNotification) => void,
    onEnd: (error: unknown) => void,
    options: RunOptions,
  ): Promise<AsyncDisposable> {
    const client = this.#client
    const ended = (): void => onEnd(new Error('the connection was closed'))
    client.on('notification', onMessage)
    client.on('error', onEnd)
    client.on('end', ended)
    const detach = (): void => {
      client.removeListener('notification', onMessage)
      client.removeListener('error', onEnd)
      client.removeListener('end', ended)
    }
    try {
      await query(client, `LISTEN "${channel}"`, [], options)
    } catch (error) {
      detach()
      throw error
    }
    return {
      [Symbol.asyncDispose]: async () => {
        detach()
        await query(client, `UNLISTEN "${channel}"`, [], options)
      },
    }
  }

  async close(): Promise<void> {
    // The connection is the caller's.
  }
}

/** Statements to PostgreSQL in this process. */
export class InProcessLink implements Link {
  readonly #database: PostgresInProcess

  constructor(database: PostgresInProcess) {
    this.#database = database
  }

  run(text: string, values: readonly unknown[], options: RunOptions): Promise<PostgresResult> {
    return query(this.#database, text, values, options)
  }

  async listen(
    channel: string,
    onMessage: (message: PostgresNotification) => void,
  ): Promise<AsyncDisposable> {
    const unlisten = await this.#database.listen(channel, (payload) =>
      onMessage({ channel, payload }),
    )
    return { [Symbol.asyncDispose]: unlisten }
  }

  async close(): Promise<void> {
    // The database is the caller's.
  }
}

function query(
  client: PostgresClient | PostgresInProcess,
  text: string,
  values: readonly unknown[],
  { timeoutMs }: RunOptions,
): Promise<PostgresResult> {
  return within(
    client.query(text, [...values]),
    timeoutMs,
    () => new GivenUp(`no answer within ${timeoutMs} ms`, true),
  )
}
