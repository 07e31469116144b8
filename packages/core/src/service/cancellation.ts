import { LayerError } from '../errors/task-errors.ts'

/** @internal How long whatever runs may go on after its signal aborted, unless an option says otherwise. */
export const ABORT_GRACE_MS = 1_000

/** How the outside ends a run: the source of a request's signal, made into a signal only when somebody asks for it. */
export interface Cancellation {
  readonly aborted: boolean
  readonly reason: unknown
  readonly signal: AbortSignal
  /** Calls back once when it aborts, at once when it has. The answer takes the callback off. */
  onAbort(callback: (reason: unknown) => void): () => void
}

type AbortCallback = (reason: unknown) => void

/** The cancellation that a run starts with. */
export class RunCancellation implements Cancellation {
  aborted = false
  reason: unknown = undefined
  /** Nearly always there is one, or none: a set of their own is for the rest. */
  #callback: AbortCallback | undefined
  #others: Set<AbortCallback> | undefined
  #controller: AbortController | undefined

  /** Aborts; only the first call counts. */
  abort(reason: unknown): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.#controller?.abort(reason)
    const callback = this.#callback
    const others = this.#others
    this.#callback = undefined
    this.#others = undefined
    callback?.(reason)
    others?.forEach((other) => other(reason))
  }

  /**
   * What it is for has ended. Where a layer did not wait for a call that it had made, that goes on in there, and somebody
   * still waits for the abort: now it comes, so that nothing of it keeps a permit.
   */
  end(): void {
    if (this.#callback === undefined && (this.#others === undefined || this.#others.size === 0)) {
      return
    }
    this.abort(new LayerError('its call has ended, and a layer did not wait for what is inside'))
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.aborted) this.#controller.abort(this.reason)
    }
    return this.#controller.signal
  }

  onAbort(callback: (reason: unknown) => void): () => void {
    if (this.aborted) {
      callback(this.reason)
      return nothing
    }
    if (this.#callback === undefined) {
      this.#callback = callback
      return () => {
        if (this.#callback === callback) this.#callback = undefined
      }
    }
    const others = (this.#others ??= new Set())
    others.add(callback)
    return () => {
      others.delete(callback)
    }
  }
}

/** The cancellation of a part of the stack that a layer gave a signal of its own. */
export function cancellationOf(signal: AbortSignal): Cancellation {
  return {
    signal,
    get aborted() {
      return signal.aborted
    },
    get reason() {
      return signal.reason as unknown
    },
    onAbort(callback) {
      if (signal.aborted) {
        callback(signal.reason)
        return nothing
      }
      const listener = (): void => callback(signal.reason)
      signal.addEventListener('abort', listener, { once: true })
      return () => signal.removeEventListener('abort', listener)
    },
  }
}

/** @internal What `work` ends with, or a rejection with the reason as soon as `cancellation` aborts. What comes later is discarded. */
export function orAborted<Value>(
  cancellation: Cancellation,
  work: PromiseLike<Value>,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const off = cancellation.onAbort(reject)
    work.then(
      (value) => {
        off()
        resolve(value)
      },
      (error: unknown) => {
        off()
        reject(error)
      },
    )
  })
}

function nothing(): void {}
