import type { Beat } from '../backend/backend.ts'
import { PoisonError } from '../errors/task-errors.ts'
import { toStoredError } from '../errors/stored-error.ts'
import { type Timer, turn } from '../time/clock.ts'
import type { ClaimsDeps } from './claims-deps.ts'
import type { Incarnation } from './incarnation.ts'
import { purgeFinished } from './purge.ts'
import { publishRescued } from './rescued.ts'
import { storedTask } from './rows.ts'
import type { Rescued } from './task-store.ts'

/** A timer of the process may fire so much before its time: the beat that it brings is the regular one all the same. */
const EARLY_MS = 1
/** How many tasks one rescue takes. */
const RESCUE_BATCH = 100

/** The beats of one worker incarnation: they keep its lease, and whoever beats on time looks after the dead. */
export class Heartbeat<Args, Result> implements AsyncIterator<Beat> {
  readonly #deps: ClaimsDeps<Args, Result>
  readonly #incarnation: Incarnation
  readonly #onLeft: () => void
  readonly #everyMs: number
  /** Beats in a row that began on time, the registration included. One that somebody asked for before its time does not count. */
  #onTime: number
  /** When the next beat is due, by the monotonic clock; undefined before the first. */
  #nextAt: number | undefined
  #rescueAt = Number.POSITIVE_INFINITY
  #purgeAt: number
  #hurried = false
  #wake: () => void = () => {}
  #maintenance: Promise<void> | undefined
  #ended = false
  readonly #unsubscribe: () => void

  /** `late`: the worker has just lost the lease of another incarnation, so its registration proves nothing. */
  constructor(
    deps: ClaimsDeps<Args, Result>,
    incarnation: Incarnation,
    { late, onLeft }: { readonly late: boolean; readonly onLeft: () => void },
  ) {
    this.#onTime = late ? 0 : 2
    this.#deps = deps
    this.#incarnation = incarnation
    this.#onLeft = onLeft
    this.#everyMs = deps.leaseMs / 3
    this.#purgeAt = deps.clock.monotonic() + deps.purgeEveryMs
    incarnation.hurry = () => this.#hurry()
    const offs = [
      deps.channel.subscribe(['paused', 'resumed'], () => this.#hurry()),
      deps.channel.subscribe('killed', ({ ids }) => {
        if (ids === undefined || ids.some((id) => incarnation.ledger.has(id))) this.#hurry()
      }),
    ]
    this.#unsubscribe = () => {
      for (const off of offs) off()
    }
  }

  async next(): Promise<IteratorResult<Beat, undefined>> {
    if (this.#nextAt === undefined) await this.#incarnation.registered()
    else await this.#due()
    if (this.#ended) return { done: true, value: undefined }
    const { clock } = this.#deps
    this.#count(clock.monotonic())
    this.#hurried = false
    this.#rescueAt = Number.POSITIVE_INFINITY
    const { beat, stored } = await this.#beat()
    // It began on time, but the process has stood still since: the next one is late already.
    if (this.#isLate(clock.monotonic(), this.#nextAt ?? Infinity)) this.#onTime = 0
    if (stored.dueIn !== undefined) this.#incarnation.onDue(stored.dueIn)
    // What has lapsed by now is rescued now, or looked at again by the next regular beat: never in a loop.
    if (stored.rescueIn !== undefined && stored.rescueIn > 0) {
      this.#rescueAt = clock.monotonic() + stored.rescueIn
    }
    this.#maintain(stored.rescueIn === 0)
    return { done: false, value: beat }
  }

  /** Ends the incarnation: the storage releases what it still holds. May be called again after a failure. */
  async return(): Promise<IteratorResult<Beat, undefined>> {
    this.#ended = true
    this.#unsubscribe()
    this.#wake()
    await this.#maintenance
    await this.#incarnation.registrationEnded()
    try {
      await this.#deps.store.leave(this.#incarnation.ref)
    } finally {
      // Nothing runs under it any more, whether the storage knows or not: its permits are for others.
      this.#incarnation.close()
    }
    this.#onLeft()
    this.#deps.channel.wake()
    return { done: true, value: undefined }
  }

  /** Counts the beat that begins at `now`, and sets the time of the next regular one. */
  #count(now: number): void {
    const nextAt = this.#nextAt ?? now
    const regular = now >= nextAt - EARLY_MS
    if (this.#isLate(now, Math.min(nextAt, this.#rescueAt))) this.#onTime = 0
    else if (regular && this.#nextAt !== undefined) this.#onTime += 1
    if (regular) this.#nextAt = now + this.#everyMs
  }

  #isLate(now: number, due: number): boolean {
    return now - due >= this.#everyMs / 2
  }

  async #beat(): ReturnType<Incarnation['beat']> {
    try {
      return await this.#incarnation.beat()
    } catch (error) {
      // The next one is made as soon as it is asked for. After an outage everybody first gets the chance to beat.
      this.#hurried = true
      this.#onTime = 0
      throw error
    }
  }

  #hurry(): void {
    this.#hurried = true
    this.#wake()
  }

  /** Waits for the next beat's time, for the moment when another's lease lapses, or until somebody asks for one. */
  #due(): Promise<void> {
    const { clock } = this.#deps
    const at = Math.min(this.#nextAt ?? 0, this.#rescueAt)
    if (this.#hurried || this.#ended) return Promise.resolve()
    return new Promise((resolve) => {
      const timer: Timer = clock.setTimer(() => this.#wake(), Math.max(0, at - clock.monotonic()))
      this.#wake = () => {
        timer.cancel()
        this.#wake = () => {}
        resolve()
      }
    })
  }

  #maintain(rescue: boolean): void {
    if (this.#maintenance !== undefined) return
    const { clock, purgeEveryMs } = this.#deps
    const purge = clock.monotonic() >= this.#purgeAt
    // Whoever was late may be the one whose lease lapsed for everybody: first all get the chance to beat.
    const rescues = rescue && this.#onTime >= 2
    if (!rescues && !purge) return
    if (purge) this.#purgeAt = clock.monotonic() + purgeEveryMs
    this.#maintenance = this.#attempt('rescue', rescues, () => this.#rescue())
      .then(() => this.#attempt('purge', purge, () => purgeFinished(this.#deps)))
      .finally(() => {
        this.#maintenance = undefined
      })
  }

  async #attempt(operation: string, wanted: boolean, work: () => Promise<unknown>): Promise<void> {
    if (!wanted) return
    try {
      await work()
    } catch (error) {
      this.#incarnation.worker.emit({ type: 'error', operation, error })
    }
  }

  async #rescue(): Promise<void> {
    const { channel, maxRescues, queue, store } = this.#deps
    const poison = toStoredError(new PoisonError(maxRescues))
    for (;;) {
      const rescued = await store.rescue(queue, RESCUE_BATCH, { maxRescues, poison })
      publishRescued(queue, rescued)
      for (const one of rescued) this.#tell(one)
      if (rescued.length > 0) channel.wake()
      if (rescued.length < RESCUE_BATCH || this.#ended) return
      // A store in memory waits for nothing, and others want the loop too.
      await turn()
    }
  }

  #tell({ row, outcome }: Rescued): void {
    if (outcome !== 'killed') return
    this.#incarnation.worker.emit({
      type: 'error',
      task: storedTask(row, this.#deps.queue, this.#deps.codec),
      error: new PoisonError(row.rescues),
      outcome: 'killed',
    })
  }
}
