import type { PostgresNotification, PostgresResult } from './client.ts'

/** How to run a statement. */
export interface RunOptions {
  /** It must not wait behind what anybody else asks for. */
  readonly urgent?: boolean
  /** How long it may take, the wait for a connection included, in milliseconds. */
  readonly timeoutMs: number
}

/** The way of statements to the server, and of notifications back. */
export interface Link {
  /** Runs one statement in a transaction of its own. */
  run(text: string, values: readonly unknown[], options: RunOptions): Promise<PostgresResult>
  /** Listens on a channel. `onEnd`: the connection was lost; not called after the disposal. */
  listen(
    channel: string,
    onMessage: (message: PostgresNotification) => void,
    onEnd: (error: unknown) => void,
    options: RunOptions,
  ): Promise<AsyncDisposable>
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
