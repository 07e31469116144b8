import {
  answerOf,
  type PostgresNotification,
  type PostgresPoolClient,
  type PostgresResult,
} from './client.ts'
import { GivenUp, type Subscriber } from './link.ts'
import { brokeConnection } from './postgres-errors.ts'
import { Turns } from './turns.ts'

/** A connection that does not stop listening within so many milliseconds is closed instead. */
const UNLISTEN_MS = 1_000

/** Whoever listens is idle, and the server may end what is idle (since version 14). Answers with what it was, where it would have been ended. */
const STAY = `SELECT setting, set_config(name, '0', false) FROM pg_settings
  WHERE name = 'idle_session_timeout' AND setting <> '0'`

/** What cannot be delivered to a query is told as an event; without a listener that would end the process. */
export function ignore(): void {}

/** The one connection of a pool that listens, for all who want to hear. It goes back when the last of them leaves. */
export class PoolListener {
  readonly #client: PostgresPoolClient
  readonly #turns: Turns
  readonly #channel: string
  readonly #onOver: () => void
  readonly #subscribers = new Set<Subscriber>()
  /** After how many milliseconds the server would end the connection when idle; undefined: it would not. */
  #idleMs: unknown
  #over = false

  /** `onOver`: it listens no more, for whatever reason. */
  constructor(client: PostgresPoolClient, channel: string, onOver: () => void) {
    this.#client = client
    this.#turns = new Turns(client)
    this.#channel = channel
    this.#onOver = onOver
    client.on('notification', this.#heard)
    client.on('error', this.#lost)
    client.on('end', this.#ended)
  }

  /** Begins to listen. Whether surely no pooler stands between: the process at the other end is the one that first answered. */
  async begin(timeoutMs: number): Promise<boolean> {
    try {
      await this.run(`LISTEN "${this.#channel}"`, [], timeoutMs)
      const { rows } = await this.run('SELECT pg_backend_pid()::text AS pid', [], timeoutMs)
      const { processID } = this.#client as { readonly processID?: unknown }
      const direct = answerOf(rows) === String(processID)
      // Behind a pooler it would be another's setting.
      if (direct) this.#idleMs = answerOf((await this.run(STAY, [], timeoutMs)).rows)
      // Its end may arrive together with the answer.
      if (this.#over) throw new GivenUp('the connection was lost', true)
      return direct
    } catch (error) {
      this.#lost(error)
      throw error
    }
  }

  /** Tells whoever wants to hear, until disposed. */
  add(subscriber: Subscriber): AsyncDisposable {
    if (this.#over) throw new GivenUp('the connection was lost', true)
    // Its own, so that the same subscriber twice is two.
    const own = { ...subscriber }
    this.#subscribers.add(own)
    return {
      [Symbol.asyncDispose]: async () => {
        this.#subscribers.delete(own)
        if (this.#subscribers.size === 0) await this.close()
      },
    }
  }

  /** Runs a statement on this connection. */
  async run(text: string, values: readonly unknown[], timeoutMs: number): Promise<PostgresResult> {
    try {
      return await this.#turns.run(text, values, timeoutMs)
    } catch (error) {
      if (error instanceof GivenUp || brokeConnection(error)) this.#lost(error)
      throw error
    }
  }

  /** Gives the connection back; nobody hears anything any more. */
  async close(): Promise<void> {
    if (!this.#finish()) return
    try {
      await this.#turns.run(`UNLISTEN "${this.#channel}"`, [], UNLISTEN_MS)
      if (this.#idleMs !== undefined) {
        const back = `SELECT set_config('idle_session_timeout', $1, false)`
        await this.#turns.run(back, [this.#idleMs], UNLISTEN_MS)
      }
      this.#client.removeListener('error', ignore)
      this.#client.release()
    } catch {
      // It is lost, and closed.
      this.#client.release(true)
    }
  }

  readonly #heard = (message: PostgresNotification): void => {
    if (message.channel !== this.#channel) return
    for (const { onMessage } of this.#subscribers) onMessage(message.payload)
  }

  readonly #ended = (): void => this.#lost(new Error('the connection was closed'))

  readonly #lost = (error: unknown): void => {
    const subscribers = [...this.#subscribers]
    if (!this.#finish()) return
    this.#client.release(true)
    for (const { onEnd } of subscribers) onEnd(error)
  }

  /** False: it was over before. */
  #finish(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#subscribers.clear()
    this.#client.removeListener('notification', this.#heard)
    this.#client.removeListener('error', this.#lost)
    this.#client.removeListener('end', this.#ended)
    this.#client.on('error', ignore)
    this.#onOver()
    return true
  }
}
