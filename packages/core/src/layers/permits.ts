import { wholeNumber } from '../internal/validate.ts'
import type { Cancellation } from '../service/cancellation.ts'
import { turn } from '../time/clock.ts'

/** What one of the users of {@link Permits} was promised; made by `join`. */
export interface PermitUser {
  /** Permits that wait for its next calls, until the turn of the event loop is over. */
  promised: number
}

interface Waiter {
  readonly user: PermitUser
  /** It waits for a permit itself; without, only for a chance to take one. */
  readonly take: boolean
  readonly wake: () => void
}

/**
 * A number of permits that several users share in turn. Who only waits to be able to take one (`ready`) is promised what
 * it is woken for until the turn of the event loop is over, or the user that gave the permit back would always be first.
 */
export class Permits {
  #limit: number
  #taken = 0
  #promised = 0
  readonly #promisedTo = new Set<PermitUser>()
  readonly #waiters = new Set<Waiter>()
  #users = 0
  #expiring = false

  constructor(limit: number) {
    this.#limit = checked(limit)
  }

  get limit(): number {
    return this.#limit
  }

  set limit(limit: number) {
    this.#limit = checked(limit)
    this.#distribute()
  }

  get taken(): number {
    return this.#taken
  }

  join(): PermitUser {
    this.#users += 1
    return { promised: 0 }
  }

  /** How many permits `user` could take now; negative after the limit was lowered. */
  free(user: PermitUser): number {
    return this.#limit - this.#taken - this.#promised + user.promised
  }

  /** Takes a permit if there is one for `user`. */
  take(user: PermitUser): boolean {
    if (this.free(user) <= 0) return false
    this.#taken += 1
    if (user.promised > 0) {
      user.promised -= 1
      this.#promised -= 1
    }
    return true
  }

  release(): void {
    this.#taken -= 1
    if (this.#waiters.size > 0) this.#distribute()
  }

  /** Takes a permit when it is `user`'s turn; rejects with the reason when `cancellation` aborts before. */
  taking(user: PermitUser, cancellation: Cancellation): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        user,
        take: true,
        wake: (): void => {
          off()
          resolve()
        },
      }
      this.#waiters.add(waiter)
      const off = cancellation.onAbort((reason) => {
        this.#waiters.delete(waiter)
        reject(reason)
      })
    })
  }

  /** Settles when `user` could take a permit, or `signal` aborts. */
  ready(user: PermitUser, signal: AbortSignal): Promise<void> {
    if (this.free(user) > 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiters.delete(waiter)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const waiter = { user, take: false, wake: end }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  /** Wakes whoever waits, in order, as far as there are permits. */
  #distribute(): void {
    for (const waiter of this.#waiters) {
      if (this.#limit - this.#taken - this.#promised <= 0) return
      this.#waiters.delete(waiter)
      if (waiter.take) this.#taken += 1
      // With one user there is nobody to keep a permit from.
      else if (this.#users > 1) this.#promise(waiter.user)
      waiter.wake()
    }
  }

  #promise(user: PermitUser): void {
    user.promised += 1
    this.#promised += 1
    this.#promisedTo.add(user)
    if (this.#expiring) return
    this.#expiring = true
    void turn().then(() => this.#expire())
  }

  /** What was not used goes to the next in line, so that nobody waits for one who needs nothing. */
  #expire(): void {
    this.#expiring = false
    for (const user of this.#promisedTo) user.promised = 0
    this.#promisedTo.clear()
    this.#promised = 0
    this.#distribute()
  }
}

function checked(limit: number): number {
  return wholeNumber('concurrency', limit, { min: 1, max: 1_000_000 })
}
