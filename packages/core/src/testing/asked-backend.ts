import type { Backend, Beat, TaskStream } from '../backend/backend.ts'
import { around } from '../service/around.ts'
import type { Layer } from '../service/service.ts'
import type { WorkerContext } from '../service/worker-context.ts'

/** One request for a task. */
export interface Ask {
  /** The task that was claimed for it. */
  claimed: string | undefined
  /** Whether that task's run began. Until then it may still be given back. */
  begun: boolean
  /** Nothing was due. */
  readonly onIdle: () => void
}

/** Gives a worker one task of a backend for each time it is asked, and says when there is none. */
export class AskedBackend<Args, Result, Context> {
  readonly #backend: Backend<Args, Result, Context>
  #ask: Ask | undefined
  #wake: () => void = () => {}

  constructor(backend: Backend<Args, Result, Context>) {
    this.#backend = backend
  }

  /** Asks for a task. The ask before it has ended. */
  ask(ask: Ask): void {
    this.#ask = ask
    this.#wake()
  }

  /** What the worker is built on. Its middleware notes what begins, so it has to be the only one. */
  backend(): Backend<Args, Result, Context> {
    const { name, codec, clock, backoff, maxReleases } = this.#backend
    const beats = this.#backend.heartbeat?.bind(this.#backend)
    const heartbeat =
      beats &&
      ((worker: WorkerContext, signal: AbortSignal): AsyncIterable<Beat> =>
        neverPaused(beats(worker, signal)))
    const settle = this.#backend.settle?.bind(this.#backend)
    return {
      name,
      ...(codec && { codec }),
      ...(clock && { clock }),
      ...(backoff && { backoff }),
      ...(maxReleases !== undefined && { maxReleases }),
      ...(heartbeat && { heartbeat }),
      ...(settle && { settle }),
      poll: (worker) => this.#stream(this.#backend.poll(worker)),
      middleware: () => this.#noting(),
    }
  }

  #noting(): Layer {
    const layer: Layer = (inner) =>
      around(inner, (request) => {
        const ask = this.#ask
        if (ask !== undefined && ask.claimed === request.id) ask.begun = true
        return inner.call(request)
      })
    return Object.assign(layer, { layerName: 'asked' })
  }

  #stream(stream: TaskStream<Args, Context>): TaskStream<Args, Context> {
    /** The next call of `stream` waits for a sign of work. */
    let waits = false
    return {
      next: async (_limit, signal) => {
        const ask = await this.#asked(signal)
        if (ask === undefined) return []
        // Aborted, a call that would wait answers at once, and the call after it claims.
        const early = waits ? await stream.next(1, AbortSignal.abort()) : []
        const batch = early?.length === 0 ? await stream.next(1, signal) : early
        waits = batch?.length === 0
        const [claimed] = batch ?? []
        if (claimed !== undefined) {
          ask.claimed = claimed.parts.taskId
          // What cannot be read never begins, and is settled all the same.
          ask.begun = 'error' in claimed
        } else if (batch !== undefined && !signal.aborted) {
          this.#ask = undefined
          ask.onIdle()
        }
        return batch
      },
      close: (unstarted) => stream.close(unstarted),
    }
  }

  /** The ask that a claim is wanted for; waits for one. Undefined when `signal` aborts before. */
  async #asked(signal: AbortSignal): Promise<Ask | undefined> {
    for (;;) {
      if (signal.aborted) return undefined
      // A worker claims only when nothing waits: a task that has not begun by now was given back.
      if (this.#ask?.begun === false) return this.#ask
      await this.#sign(signal)
    }
  }

  /** Settles with the next ask, or when `signal` aborts. */
  #sign(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        signal.removeEventListener('abort', end)
        resolve()
      }
      this.#wake = end
      signal.addEventListener('abort', end, { once: true })
    })
  }
}

/**
 * Beats that do not say that the queue is paused. A worker that knows claims no more, and then nobody would say that
 * there is nothing to run: this one finds out by a claim, which gives none, whenever it is asked.
 */
function neverPaused(beats: AsyncIterable<Beat>): AsyncIterable<Beat> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = beats[Symbol.asyncIterator]()
      return {
        async next() {
          const next = await iterator.next()
          return next.done === true ? next : { ...next, value: { ...next.value, paused: false } }
        },
        return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
      }
    },
  }
}
