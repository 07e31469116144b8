/** Counts how often each of `count` tasks was run. */
export class Deliveries {
  readonly #runs: Uint8Array
  readonly #onAll: () => void
  #left: number
  /** Settles when every task has run. */
  readonly all: Promise<void>

  constructor(count: number) {
    this.#runs = new Uint8Array(count)
    this.#left = count
    const { promise, resolve } = Promise.withResolvers<void>()
    this.all = promise
    this.#onAll = resolve
  }

  /** Task `index` runs. */
  run(index: number): void {
    const runs = (this.#runs[index] ?? 0) + 1
    this.#runs[index] = runs
    if (runs !== 1) return
    this.#left -= 1
    if (this.#left === 0) this.#onAll()
  }

  get lost(): number {
    return this.#runs.filter((runs) => runs === 0).length
  }

  get doubled(): number {
    return this.#runs.filter((runs) => runs > 1).length
  }
}
