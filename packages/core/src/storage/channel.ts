import type { StoreSignal } from './task-store.ts'

/** What a {@link Channel} tells: the store's signals, and `listening` when the listener came to stand or fell. */
export type SignType = StoreSignal['type'] | 'listening'

/** Something that may have happened in a queue: a hint, never truth. */
export interface Sign {
  readonly type: SignType
  /** The tasks it is about, where that is known; absent: any of them. */
  readonly ids?: readonly string[]
  /** Of `listening`: why the listener fell, or could not stand. It is renewed by itself. */
  readonly error?: unknown
}

/** What a channel needs of the one listener of its storage. */
export interface ChannelSource {
  readonly listening: boolean
  /** Somebody subscribes. */
  attach(): void
  /** Somebody is gone. */
  detach(): void
}

/**
 * The signs of one queue, shared by every view of it in a storage: from the store's listener while somebody is
 * subscribed, and from this process (`wake`, `emit`) always. After the listener came to stand the channel tells `due`,
 * `settled` and `killed` without ids, since any of them may have been missed.
 */
export class Channel {
  readonly queue: string
  readonly #source: ChannelSource
  readonly #subscribers = new Map<SignType, Set<(sign: Sign) => void>>()
  #version = 0

  constructor(queue: string, source: ChannelSource) {
    this.queue = queue
    this.#source = source
  }

  /** Grows with every sign of work (`due`, `resumed`): whoever claimed under an older version has reason to claim again. */
  get version(): number {
    return this.#version
  }

  /** Whether the store's own signals arrive. While they do not, only a poll tells what other processes do. */
  get listening(): boolean {
    return this.#source.listening
  }

  /** Calls back for each sign of the types, until the function that it gives back is called. Callbacks must not throw. */
  subscribe(types: SignType | readonly SignType[], callback: (sign: Sign) => void): () => void {
    const wanted = typeof types === 'string' ? [types] : types
    // A callback of its own, so that the same function subscribed twice is two subscriptions.
    const subscriber = (sign: Sign): void => callback(sign)
    for (const type of wanted) {
      const subscribers = this.#subscribers.get(type)
      if (subscribers === undefined) this.#subscribers.set(type, new Set([subscriber]))
      else subscribers.add(subscriber)
    }
    this.#source.attach()
    let ended = false
    return () => {
      if (ended) return
      ended = true
      for (const type of wanted) this.#subscribers.get(type)?.delete(subscriber)
      this.#source.detach()
    }
  }

  /** Something may be due. */
  wake(): void {
    this.emit({ type: 'due' })
  }

  /** Tells the subscribers of the sign's type, and answers whether there were any. */
  emit(sign: Sign): boolean {
    if (sign.type === 'due' || sign.type === 'resumed') this.#version += 1
    const subscribers = this.#subscribers.get(sign.type)
    if (subscribers === undefined || subscribers.size === 0) return false
    // A snapshot: a callback may unsubscribe and subscribe anew.
    for (const subscriber of Array.from(subscribers)) {
      if (subscribers.has(subscriber)) subscriber(sign)
    }
    return true
  }
}
