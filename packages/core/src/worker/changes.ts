/** Lets a loop wait until something changes: every wait in it ends with the next `tell`. */
export class Changes {
  #next: AbortController | undefined

  /** Aborts at the next change. */
  get signal(): AbortSignal {
    return (this.#next ??= new AbortController()).signal
  }

  /** Settles at the next change. */
  next(): Promise<void> {
    const { signal } = this
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  /** Something changed. */
  tell(): void {
    const next = this.#next
    if (next === undefined) return
    this.#next = undefined
    next.abort()
  }
}
