import type { Cancellation } from '../service/cancellation.ts'
import { type Clock, type Timer, turn } from '../time/clock.ts'

/** What one of those who share {@link Turns} was promised; made by `join`. */
export interface Sharer {
  /** Places that wait for its next calls, until the turn of the event loop is over. */
  promised: number
}

interface Waiter {
  readonly sharer: Sharer
  /** It waits for a place itself; without, only for a chance to take one. */
  readonly take: boolean
  readonly wake: () => void
}

/**
 * Places that several workers share in turn. Who only waits to be able to take one (`ready`) is promised what it is woken
 * for until the turn of the event loop is over, or whoever gave the place back would always be first.
 */
export abstract class Turns {
  #promised = 0
  readonly #promisedTo = new Set<Sharer>()
  readonly #waiters = new Set<Waiter>()
  #sharers = 0
  #expiring = false
  #timer: Timer | undefined

  /** How many places there are now, or by `ahead` milliseconds from now, promised ones included; may be negative. */
  protected abstract available(ahead?: number): number

  /** Takes one of them. */
  protected abstract use(): void

  /** In how many milliseconds there will be a place without anybody giving one back; asked only while there is none. */
  protected comesIn(): { readonly clock: Clock; readonly ms: number } | undefined {
    return undefined
  }

  join(): Sharer {
    this.#sharers += 1
    return { promised: 0 }
  }

  /** How many places `sharer` could take now, or by `ahead` milliseconds from now. */
  free(sharer: Sharer, ahead?: number): number {
    return this.available(ahead) - this.#promised + sharer.promised
  }

  /** Takes a place if there is one for `sharer`. */
  take(sharer: Sharer): boolean {
    if (this.free(sharer) <= 0) return false
    this.use()
    if (sharer.promised > 0) {
      sharer.promised -= 1
      this.#promised -= 1
    }
    return true
  }

  /** Takes a place when it is `sharer`'s turn; rejects with the reason when `cancellation` aborts before. */
  taking(sharer: Sharer, cancellation: Cancellation): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        sharer,
        take: true,
        wake: (): void => {
          off()
          resolve()
        },
      }
      this.#waiters.add(waiter)
      const off = cancellation.onAbort((reason) => {
        this.#leave(waiter)
        reject(reason)
      })
      this.#arm()
    })
  }

  /** Settles when `sharer` could take a place, or `signal` aborts. */
  ready(sharer: Sharer, signal: AbortSignal): Promise<void> {
    if (this.free(sharer) > 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        this.#leave(waiter)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const waiter = { sharer, take: false, wake: end }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', end, { once: true })
      this.#arm()
    })
  }

  /** Places were given back, or there are more of them: wakes whoever waits, in order, as far as there are any. */
  distribute(): void {
    // The places are counted before a waiter is chosen: counting them may find that there are more, and come back here.
    while (this.#waiters.size > 0 && this.available() - this.#promised > 0) {
      const [waiter] = this.#waiters
      if (waiter === undefined) break
      this.#waiters.delete(waiter)
      if (waiter.take) this.use()
      // Who is alone has nobody to keep a place from.
      else if (this.#sharers > 1 || this.#waiters.size > 0) this.#promise(waiter.sharer)
      waiter.wake()
    }
    this.#arm()
  }

  #promise(sharer: Sharer): void {
    sharer.promised += 1
    this.#promised += 1
    this.#promisedTo.add(sharer)
    if (this.#expiring) return
    this.#expiring = true
    void turn().then(() => this.#expire())
  }

  /** What was not used goes to the next in line, so that nobody waits for one who needs nothing. */
  #expire(): void {
    this.#expiring = false
    for (const sharer of this.#promisedTo) sharer.promised = 0
    this.#promisedTo.clear()
    this.#promised = 0
    this.distribute()
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    if (this.#waiters.size === 0) this.#disarm()
  }

  /** Sets the timer for the next place that comes by itself. Nobody who waits: no timer that keeps a process alive. */
  #arm(): void {
    if (this.#timer !== undefined || this.#waiters.size === 0 || this.available() > 0) return
    const next = this.comesIn()
    if (next === undefined) return
    this.#timer = next.clock.setTimer(() => {
      this.#timer = undefined
      this.distribute()
    }, next.ms)
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
