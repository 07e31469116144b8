import type { TaskStream, Undecodable } from '../backend/backend.ts'
import { untilAborted } from '../internal/until-aborted.ts'
import type { Parts, QueueContext, Task } from '../task/task.ts'
import { random, type Timer } from '../time/clock.ts'
import type { ClaimsDeps } from './claims-deps.ts'
import type { Incarnation } from './incarnation.ts'
import { taskOf } from './rows.ts'

/** The claims of one worker incarnation on a queue. */
export class QueueStream<Args, Result> implements TaskStream<Args, QueueContext> {
  readonly #deps: ClaimsDeps<Args, Result>
  readonly #incarnation: Incarnation
  readonly #release: (unstarted: readonly { readonly parts: Parts }[]) => Promise<unknown>
  /** The last claim found nothing more: wait for a sign of work that came after it began. */
  #emptyAt: number | undefined
  /** A claim answered with less than it was asked for: there is nothing more. */
  #short = false
  #dueAt: number | undefined

  constructor(
    deps: ClaimsDeps<Args, Result>,
    incarnation: Incarnation,
    release: (unstarted: readonly { readonly parts: Parts }[]) => Promise<unknown>,
  ) {
    this.#deps = deps
    this.#incarnation = incarnation
    this.#release = release
  }

  async next(
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly (Task<Args, QueueContext> | Undecodable<QueueContext>)[]> {
    const { channel, codec, queue } = this.#deps
    await this.#incarnation.registered()
    if (this.#short) {
      this.#short = false
      return []
    }
    if (this.#emptyAt !== undefined) {
      await this.#work(this.#emptyAt, signal)
      this.#emptyAt = undefined
      return []
    }
    await untilAborted(this.#incarnation.certain(), signal)
    if (signal.aborted) return []
    const version = channel.version
    const { rows, entries, dueIn } = await this.#incarnation.claim(limit)
    // Where more is due already it was the store that brought no more at once.
    const more = rows.length > 0 && dueIn === 0
    if (rows.length < limit && !more) {
      this.#emptyAt = version
      this.#short = rows.length > 0
      this.#dueAt = dueIn === undefined ? undefined : this.#deps.clock.monotonic() + dueIn
    }
    return rows.map((row, index) => taskOf(row, queue, entries[index], codec))
  }

  async close(unstarted: readonly { readonly parts: Parts }[]): Promise<void> {
    if (unstarted.length > 0) await this.#release(unstarted)
  }

  /** Waits for a sign of work, a task that becomes due, the permit to run a suspect, or the slow poll. */
  #work(version: number, signal: AbortSignal): Promise<void> {
    const { channel, clock, safetyPollMs } = this.#deps
    if (signal.aborted || channel.version !== version) return Promise.resolve()
    // The suspect that was claimed may have ended before anybody waited for its permit.
    if (this.#incarnation.suspectsLeft) return Promise.resolve()
    return new Promise((resolve) => {
      const incarnation = this.#incarnation
      let timer: Timer | undefined
      let at = Number.POSITIVE_INFINITY
      const wakeIn = (ms: number): void => {
        const due = clock.monotonic() + ms
        if (due >= at) return
        timer?.cancel()
        at = due
        timer = clock.setTimer(end, ms)
      }
      const offs = [
        channel.subscribe(['due', 'resumed'], () => end()),
        channel.subscribe('listening', () => poll()),
        incarnation.deniedSuspects ? incarnation.onPermit(end) : undefined,
      ]
      const poll = (): void => {
        // Jitter, so that the workers of many processes do not look at the same moment.
        if (!channel.listening) wakeIn(safetyPollMs * (0.75 + random(clock) / 2))
      }
      signal.addEventListener('abort', end, { once: true })
      incarnation.onDue = wakeIn
      poll()
      if (this.#dueAt !== undefined) wakeIn(Math.max(0, this.#dueAt - clock.monotonic()))
      function end(): void {
        timer?.cancel()
        for (const off of offs) off?.()
        signal.removeEventListener('abort', end)
        incarnation.onDue = () => {}
        resolve()
      }
    })
  }
}
