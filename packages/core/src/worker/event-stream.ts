import type { Event } from '../service/events.ts'
import type { EventListener } from '../service/worker-context.ts'

/** What an event stream does with its worker. */
export interface EventStreamHooks<Args, Result> {
  readonly run: () => Promise<void>
  readonly stop: () => void
  readonly listen: (listener: EventListener<Args, Result>) => () => void
  /** There is room again. */
  readonly recheck: () => void
}

/** A worker's run as an iterator of its events. */
export class EventStream<Args, Result> implements AsyncIterableIterator<Event<Args, Result>> {
  readonly #limit: number
  readonly #hooks: EventStreamHooks<Args, Result>
  #events: Event<Args, Result>[] = []
  #heartbeatsDropped = 0
  #running: Promise<void> | undefined
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #waiting: (() => void)[] = []

  constructor(limit: number, hooks: EventStreamHooks<Args, Result>) {
    this.#limit = limit
    this.#hooks = hooks
  }

  /** Whether the reader has to catch up before more is claimed. */
  get full(): boolean {
    return this.#events.length >= this.#limit
  }

  async next(): Promise<IteratorResult<Event<Args, Result>, undefined>> {
    this.#running ??= this.#start()
    while (this.#events.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    const wasFull = this.full
    const event = this.#events.shift()
    if (wasFull && !this.full) this.#hooks.recheck()
    if (event !== undefined) return { done: false, value: event }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return { done: true, value: undefined }
  }

  /** Stops the worker and waits for the drained end. */
  async return(): Promise<IteratorResult<Event<Args, Result>, undefined>> {
    this.#hooks.stop()
    await this.#running
    this.#events = []
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #start(): Promise<void> {
    const off = this.#hooks.listen((event) => this.#push(event))
    try {
      await this.#hooks.run()
    } catch (error) {
      this.#failure = { error }
    } finally {
      off()
      this.#ended = true
      this.#wake()
    }
  }

  #push(event: Event<Args, Result>): void {
    // Only these come without end while nothing is claimed.
    if (this.full && event.type === 'heartbeat') {
      this.#heartbeatsDropped += 1
      return
    }
    if (this.#heartbeatsDropped > 0 && !this.full) {
      const { worker, queue, time } = event
      const count = this.#heartbeatsDropped
      this.#events.push({ type: 'dropped', what: 'heartbeat events', count, worker, queue, time })
      this.#heartbeatsDropped = 0
    }
    this.#events.push(event)
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
