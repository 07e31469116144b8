/**
 * The token that stops what belongs together: several monitors may share one, and anybody may wait for it. It starts
 * once and never goes back. apalis's `Shutdown`.
 */
export class Shutdown {
  readonly #controller = new AbortController()
  /** Settles when the shutdown starts. Never rejects. */
  readonly whenStarted: Promise<void> = new Promise((resolve) => {
    this.#controller.signal.addEventListener('abort', () => resolve(), { once: true })
  })

  /** Starts the shutdown: every monitor with this token stops its workers. Only the first call counts. */
  start(): void {
    this.#controller.abort()
  }

  /** Whether the shutdown has started. */
  isShuttingDown(): boolean {
    return this.#controller.signal.aborted
  }

  /** Aborts when the shutdown starts. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Waits for `promise`, starts the shutdown however it ended, and passes its result or error through. */
  async shutdownAfter<Value>(promise: PromiseLike<Value>): Promise<Value> {
    try {
      return await promise
    } finally {
      this.start()
    }
  }
}
