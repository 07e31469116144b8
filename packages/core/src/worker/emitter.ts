import { toStoredError } from '../errors/stored-error.ts'
import { channels } from '../service/diagnostics.ts'
import type { Event, EventBody } from '../service/events.ts'
import type { EventListener, WorkerContext } from '../service/worker-context.ts'
import type { Clock } from '../time/clock.ts'

/** Tells a worker's listeners. One that throws, or whose promise rejects, disturbs nothing and is reported to the others. */
export class Emitter {
  readonly #listeners = new Set<EventListener>()
  readonly #clock: Clock
  readonly #context: WorkerContext

  constructor(context: WorkerContext, clock: Clock) {
    this.#context = context
    this.#clock = clock
  }

  /** Whether anybody listens: nobody has to make an event that nobody hears. */
  get active(): boolean {
    return this.#listeners.size > 0 || channels.worker.hasSubscribers
  }

  /** Adds a listener; the answer takes it off. */
  listen(listener: EventListener): () => void {
    const own: EventListener = (event, worker) => listener(event, worker)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  /** Tells every listener, in the order they were added. */
  emit(body: EventBody): void {
    if (!this.active) return
    this.#tell(body, undefined)
  }

  #tell(body: EventBody, failed: EventListener | undefined): void {
    const event: Event = {
      ...body,
      worker: this.#context.name,
      queue: this.#context.queue,
      time: new Date(this.#clock.now()),
    }
    if (channels.worker.hasSubscribers) channels.worker.publish(event)
    for (const listener of this.#listeners) {
      if (listener === failed) continue
      const report = (error: unknown): void => {
        // One that fails on the report of another failure is not reported again.
        if (failed === undefined) this.#report(error, listener)
      }
      try {
        const answer: unknown = listener(event, this.#context)
        if (answer instanceof Promise) answer.catch(report)
      } catch (error) {
        report(error)
      }
    }
  }

  #report(error: unknown, failed: EventListener): void {
    if (this.#listeners.size > 1) {
      this.#tell({ type: 'error', operation: 'listener', error }, failed)
    } else {
      process.emitWarning(toStoredError(error).message, {
        type: 'ApalisListenerWarning',
        detail: `a listener of worker "${this.#context.name}" failed`,
      })
    }
  }
}
