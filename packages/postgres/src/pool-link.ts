import { systemClock } from '@apalis/core'
import type { PostgresPool, PostgresPoolClient, PostgresResult } from './client.ts'
import { within } from './deadline.ts'
import { GivenUp, type Link, NotConnected, type RunOptions, type Subscriber } from './link.ts'
import { ignoreErrors } from './pool-errors.ts'
import { ignore, PoolListener } from './pool-listener.ts'
import { brokeConnection } from './postgres-errors.ts'

/** Statements over a pool. The connection that listens also carries what must not wait for the others. */
export class PoolLink implements Link {
  readonly parallel = true
  readonly #pool: PostgresPool
  readonly #end: (() => Promise<void>) | undefined
  readonly #unhear: () => void
  /** The connection that listens, or is about to. */
  #listening: Promise<PoolListener> | undefined
  /** The same once it does. */
  #listener: PoolListener | undefined
  #closed = false
  #direct = false

  /** `end`: what closes the pool, where that is the storage's own. */
  constructor(pool: PostgresPool, end?: () => Promise<void>) {
    this.#pool = pool
    this.#end = end
    this.#unhear = ignoreErrors(pool)
  }

  get direct(): boolean {
    return this.#direct
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
    subscriber: Subscriber,
    { timeoutMs }: RunOptions,
  ): Promise<AsyncDisposable> {
    this.#listening ??= this.#beginListening(channel, timeoutMs)
    const listening = this.#listening
    try {
      const listener = await listening
      return listener.add(subscriber)
    } catch (error) {
      if (this.#listening === listening) this.#listening = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    // A pool ends when all its connections are back.
    const listener = await this.#listening?.catch(() => undefined)
    await listener?.close()
    // What is still heard of connections that are being closed is nobody's concern.
    if (this.#end === undefined) this.#unhear()
    else await this.#end()
  }

  async #beginListening(channel: string, timeoutMs: number): Promise<PoolListener> {
    if (this.#closed) throw new GivenUp('the storage is closed', false)
    const client = await this.#connect(timeoutMs)
    const listener = new PoolListener(client, channel, () => {
      this.#listening = undefined
      this.#listener = undefined
    })
    this.#direct = await listener.begin(timeoutMs)
    this.#listener = listener
    return listener
  }

  #connect(timeoutMs: number): Promise<PostgresPoolClient> {
    return within(
      this.#pool.connect().catch((error: unknown) => {
        throw new NotConnected(error)
      }),
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
