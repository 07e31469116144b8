import type { StoreSignal } from '../task-store.ts'

type Listener = (signal: StoreSignal) => void

interface Posted extends StoreSignal {
  readonly ids?: string[]
}

/** What the calls of a store have to tell: gathered while a call works, delivered when its state is consistent. */
export class Signals {
  readonly #listeners = new Set<Listener>()
  #posted: Posted[] = []

  /** Calls back for each signal, until disposed of. */
  listen(onSignal: Listener): AsyncDisposable {
    // A function of its own, so that the same one given twice listens twice.
    const listener: Listener = (signal) => onSignal(signal)
    this.#listeners.add(listener)
    return {
      [Symbol.asyncDispose]: async () => {
        this.#listeners.delete(listener)
      },
    }
  }

  /** Says something once in this call: of the queue, or of all the rows that are named. */
  post(type: StoreSignal['type'], queue: string, id?: string): void {
    if (this.#listeners.size === 0) return
    const posted = this.#posted.find((signal) => signal.type === type && signal.queue === queue)
    if (posted === undefined)
      this.#posted.push(id === undefined ? { type, queue } : { type, queue, ids: [id] })
    else if (id !== undefined) posted.ids?.push(id)
  }

  /** Delivers what was posted. */
  flush(): void {
    if (this.#posted.length === 0) return
    const posted = this.#posted
    this.#posted = []
    this.deliver(posted)
  }

  /** Calls everybody back. */
  deliver(signals: readonly StoreSignal[]): void {
    for (const signal of signals) {
      for (const listener of this.#listeners) {
        try {
          listener(signal)
        } catch {
          // Signals are hints: the store and the other listeners go on. Whoever listens deals with its own errors.
        }
      }
    }
  }
}
