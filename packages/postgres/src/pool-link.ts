import { systemClock } from '@apalis/core'
import type {
  PostgresNotification,
  PostgresPool,
  PostgresPoolClient,
  PostgresResult,
} from './client.ts'
import { within } from './deadline.ts'
import { GivenUp, type Link, type RunOptions } from './link.ts'
import { brokeConnection } from './postgres-errors.ts'

/** What cannot be delivered to a query is told as an event; without a listener that would end the process. */
function ignore(): void {}

/** Statements over a pool. The connection that listens also carries what must not wait for the others. */
export class PoolLink implements Link {
  readonly #pool: PostgresPool
  readonly #end: () => Promise<void>
  #listener: Listener | undefined

  /** `end`: what closes the pool, where that is the storage's own. */
  constructor(pool: PostgresPool, end: () => Promise<void> = async () => {}) {
    this.#pool = pool
    this.#end = end
    pool.on('error', ignore)
  }

  async run(
    text: string,
    values: readonly unknown[],
    { timeoutMs, urgent = false }: RunOptions,
  ): Promise<PostgresResult> {
    if (urgent && this.#listener !== undefined) {
      return this.#listener.run(text, values, timeoutMs)
    }
    const begun = systemClock.monotonic()
    const client = await this.#connect(timeoutMs)
    const left = Math.max(1, timeoutMs - (systemClock.monotonic() - begun))
    client.on('error', ignore)
    let broken = true
    try {
      const result = await within(
        client.query(text, [...values]),
        left,
        () => new GivenUp(`no answer within ${timeoutMs} ms`, true),
      )
      broken = false
      return result
    } catch (error) {
      broken = error instanceof GivenUp || brokeConnection(error)
      if (error instanceof GivenUp) this.#cancel(client)
      throw error
    } finally {
      client.removeListener('error', ignore)
      // One that was given up is closed, and with it what it was asked.
      client.release(broken)
    }
  }

  async listen(
    channel: string,
    onMessage: (message: PostgresNotification) => void,
    onEnd: (error: unknown) => void,
    { timeoutMs }: RunOptions,
  ): Promise<AsyncDisposable> {
    const client = await this.#connect(timeoutMs)
    const listener = new Listener(client, channel, onMessage, (error) => {
      if (this.#listener === listener) this.#listener = undefined
      onEnd(error)
    })
    await listener.run(`LISTEN "${channel}"`, [], timeoutMs)
    this.#listener = listener
    return {
      [Symbol.asyncDispose]: async () => {
        if (this.#listener === listener) this.#listener = undefined
        await listener.close()
      },
    }
  }

  async close(): Promise<void> {
    // A pool ends when all its connections are back.
    const listener = this.#listener
    this.#listener = undefined
    await listener?.close()
    await this.#end()
    this.#pool.removeListener('error', ignore)
  }

  #connect(timeoutMs: number): Promise<PostgresPoolClient> {
    return within(
      this.#pool.connect(),
      timeoutMs,
      () => new GivenUp(`no connection within ${timeoutMs} ms`, false),
      (client) => client.release(),
    )
  }

  /** A statement that waits for a lock would go on without the connection it came by. */
  #cancel(client: PostgresPoolClient): void {
    const { processID } = client as { readonly processID?: unknown }
    if (typeof processID !== 'number') return
    this.#pool.query('SELECT pg_cancel_backend($1)', [processID]).then(ignore, ignore)
  }
}

/** The one connection that listens. */
class Listener {
  readonly #client: PostgresPoolClient
  readonly #channel: string
  readonly #onMessage: (message: PostgresNotification) => void
  readonly #onEnd: (error: unknown) => void
  #over = false

  constructor(
    client: PostgresPoolClient,
    channel: string,
    onMessage: (message: PostgresNotification) => void,
    onEnd: (error: unknown) => void,
  ) {
    this.#client = client
    this.#channel = channel
    this.#onMessage = onMessage
    this.#onEnd = onEnd
    client.on('notification', this.#onMessage)
    client.on('error', this.#lost)
    client.on('end', this.#ended)
  }

  async run(text: string, values: readonly unknown[], timeoutMs: number): Promise<PostgresResult> {
    try {
      const query = this.#client.query(text, [...values])
      return await within(query, timeoutMs, () => {
        const error = new GivenUp(`no answer within ${timeoutMs} ms`, true)
        this.#lost(error)
        return error
      })
    } catch (error) {
      if (brokeConnection(error)) this.#lost(error)
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#over) return
    this.#over = true
    this.#detach()
    try {
      await this.#client.query(`UNLISTEN "${this.#channel}"`)
      this.#client.release()
    } catch {
      // It is lost: nobody hears anything on it any more.
      this.#client.release(true)
    } finally {
      this.#client.removeListener('error', ignore)
    }
  }

  readonly #ended = (): void => this.#lost(new Error('the connection was closed'))

  readonly #lost = (error: unknown): void => {
    if (this.#over) return
    this.#over = true
    this.#detach()
    this.#client.release(true)
    this.#onEnd(error)
  }

  #detach(): void {
    this.#client.removeListener('notification', this.#onMessage)
    this.#client.removeListener('error', this.#lost)
    this.#client.removeListener('end', this.#ended)
    this.#client.on('error', ignore)
  }
}
