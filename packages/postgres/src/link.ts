import type { PostgresResult } from './client.ts'

/** How to run a statement. */
export interface RunOptions {
  /** It must not wait behind what anybody else asks for. */
  readonly urgent?: boolean
  /** How long it may take, the wait for a connection included, in milliseconds. */
  readonly timeoutMs: number
}

/** Who listens. */
export interface Subscriber {
  readonly onMessage: (payload: string | undefined) => void
  /** The connection was lost. Not called after the disposal. */
  readonly onEnd: (error: unknown) => void
}

/** The way of statements to the server, and of notifications back. */
export interface Link {
  /** Two statements at once are carried out beside each other. */
  readonly parallel: boolean
  /** Nothing stands between: what is sent is heard by whoever listens. False: nobody knows. */
  readonly direct: boolean
  /** There is one session, and what is asked for outside of a transaction waits until that ends. */
  readonly oneSession?: true
  /** Runs one statement in a transaction of its own. */
  run(text: string, values: readonly unknown[], options: RunOptions): Promise<PostgresResult>
  /** Listens on a channel. */
  listen(channel: string, subscriber: Subscriber, options: RunOptions): Promise<AsyncDisposable>
  /** Lets go of what is the storage's own. */
  close(): Promise<void>
}

/** A call was given up: what became of it nobody knows. */
export class GivenUp extends Error {
  /** Nothing was sent. */
  readonly sent: boolean

  constructor(message: string, sent: boolean) {
    super(message)
    this.name = 'GivenUp'
    this.sent = sent
  }
}

/** There was no connection to send anything over; why is the cause. */
export class NotConnected extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'NotConnected'
  }
}

/** The one connection there was has ended, and will not come back. */
export class ConnectionOver extends Error {
  constructor() {
    super(
      'the connection that the storage was given has ended: a pool, or a URL, would open another',
    )
    this.name = 'ConnectionOver'
  }
}
