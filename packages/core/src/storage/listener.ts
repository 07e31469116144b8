import { type Clock, random, type Timer } from '../time/clock.ts'
import { Channel, type ChannelSource } from './channel.ts'
import type { StoreSignal, TaskStore } from './task-store.ts'

/** The wait before listening is tried again: at first, and at most. */
const RETRY_MS = { first: 250, most: 15_000 } as const

/**
 * The one subscription of a storage to its store's signals, handed out to a channel for each queue. It stands while
 * somebody is subscribed to any of them, and is renewed with jittered backoff whenever it fails or falls.
 */
export class Listener implements ChannelSource {
  readonly #store: TaskStore
  readonly #clock: Clock
  readonly #channels = new Map<string, Channel>()
  #subscribers = 0
  #failures = 0
  #retry: Timer | undefined
  /** The subscription that is wanted, begun or standing; another object each time, so that what comes late is known. */
  #current: { subscription?: AsyncDisposable } | undefined
  #stoodAt = 0
  #ending: Promise<void> = Promise.resolve()
  #closed = false

  constructor(store: TaskStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** The signs of one queue. */
  channel(queue: string): Channel {
    let channel = this.#channels.get(queue)
    if (channel === undefined) {
      channel = new Channel(queue, this)
      this.#channels.set(queue, channel)
    }
    return channel
  }

  get listening(): boolean {
    return this.#current?.subscription !== undefined
  }

  attach(): void {
    this.#subscribers += 1
    if (this.#subscribers === 1) this.#start()
  }

  detach(): void {
    this.#subscribers -= 1
    if (this.#subscribers === 0) this.#stop()
  }

  /** Ends the subscription for good. Settles when the store has let go of it. */
  close(): Promise<void> {
    this.#closed = true
    this.#stop()
    return this.#ending
  }

  #start(): void {
    this.#retry = undefined
    if (this.#closed) return
    const current: { subscription?: AsyncDisposable } = {}
    this.#current = current
    this.#store
      .listen(
        (signal) => this.#current === current && this.#tell(signal),
        (error) => {
          if (this.#current === current) this.#fell(error)
        },
      )
      .then(
        (subscription) => {
          if (this.#current === current) this.#stands(current, subscription)
          else this.#end(subscription)
        },
        (error: unknown) => {
          if (this.#current === current) this.#fell(error)
        },
      )
  }

  #stop(): void {
    this.#retry?.cancel()
    this.#retry = undefined
    this.#failures = 0
    const subscription = this.#current?.subscription
    this.#current = undefined
    if (subscription !== undefined) this.#end(subscription)
  }

  #stands(current: { subscription?: AsyncDisposable }, subscription: AsyncDisposable): void {
    current.subscription = subscription
    this.#stoodAt = this.#clock.monotonic()
    for (const channel of this.#channels.values()) {
      channel.emit({ type: 'listening' })
      // Whatever happened before it stood was heard by nobody.
      channel.emit({ type: 'due' })
      channel.emit({ type: 'settled' })
      channel.emit({ type: 'killed' })
    }
  }

  #fell(error: unknown): void {
    // One that falls as soon as it stands must not be renewed in a hot loop.
    if (this.listening && this.#clock.monotonic() - this.#stoodAt >= RETRY_MS.most) {
      this.#failures = 0
    }
    this.#current = undefined
    this.#failures += 1
    const ceiling = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** (this.#failures - 1))
    const waitMs = ceiling * (0.5 + random(this.#clock) / 2)
    this.#retry = this.#clock.setTimer(() => this.#start(), waitMs, { background: true })
    for (const channel of this.#channels.values()) channel.emit({ type: 'listening', error })
  }

  /** Whether somebody waited for it. */
  #tell({ type, queue, ids }: StoreSignal): boolean {
    return this.#channels.get(queue)?.emit(ids === undefined ? { type } : { type, ids }) ?? false
  }

  #end(subscription: AsyncDisposable): void {
    const before = this.#ending
    this.#ending = (async () => {
      await before
      try {
        await subscription[Symbol.asyncDispose]()
      } catch {
        // The connection is gone either way, and nobody listens to it any more.
      }
    })()
  }
}
