import { type StoreSignal, systemClock, type Timer } from '@apalis/core'

/** What a look at the database brought. */
export interface Look {
  readonly now: number
  readonly queues: readonly SeenQueue[] | null
  readonly killed: readonly (readonly [queue: string, ids: readonly string[]])[] | null
  /** The number of the last kill. */
  readonly last: number | null
  /** Tasks that nobody waits for any more. */
  readonly settled: readonly (readonly [queue: string, id: string])[] | null
}

interface SeenQueue {
  readonly name: string
  readonly paused: boolean
  /** Something can be claimed. */
  readonly due: boolean
  /** When the next will be due. */
  readonly dueAt: number | null
}

/** What {@link Poller} works with. */
export interface PollerDeps {
  /** Looks: `watched` are tasks whose end is waited for, `since` the number of the last kill that was seen. */
  readonly look: (watched: readonly Watched[], since: number) => Promise<Look>
  readonly tell: (signals: readonly StoreSignal[]) => void
  readonly onEnd: (error: unknown) => void
}

/** A task whose end somebody waits for. */
export interface Watched {
  readonly queue: string
  readonly id: string
}

/** The wait between two looks, in milliseconds: after something was found, and at most. It grows by half each time nothing was. */
const WAIT_MS = { first: 50, most: 2_000 } as const

/** So many of the watched are asked for in one look. */
const WATCHED_AT_ONCE = 1_000

/** Signals for those who cannot be told of anything: looks, more often while something happens. It keeps no process alive. */
export class Poller {
  readonly #deps: PollerDeps
  readonly #watched = new Map<string, Watched>()
  #known = new Map<string, SeenQueue>()
  #since = 0
  #waitMs: number = WAIT_MS.first
  #timer: Timer | undefined
  #looked = false
  #over = false

  constructor(deps: PollerDeps) {
    this.#deps = deps
  }

  /** Begins; what was there before is not told. */
  async start(): Promise<void> {
    await this.#look()
    this.#arm()
  }

  /** The end of these tasks is waited for. */
  watch(queue: string, ids: readonly string[]): void {
    for (const id of ids) this.#watched.set(JSON.stringify([queue, id]), { queue, id })
    // Whoever waits does so for something that is about to happen.
    this.#waitMs = WAIT_MS.first
    if (this.#timer !== undefined) this.#arm()
  }

  /** A worker has heard it otherwise: the next look tells where that is not so any more, though it was short. */
  told(queue: string, paused: boolean): void {
    const seen = this.#known.get(queue) ?? { name: queue, due: false, dueAt: null }
    this.#known.set(queue, { ...seen, paused })
  }

  stop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer?.cancel()
    // In real time, whatever the storage's clock is: other processes live in that.
    const ms = this.#waitMs * (0.75 + Math.random() / 2)
    this.#timer = systemClock.setTimer(() => void this.#next(), ms, { background: true })
  }

  async #next(): Promise<void> {
    this.#timer = undefined
    try {
      const found = await this.#look()
      if (this.#over) return
      this.#waitMs = found ? WAIT_MS.first : Math.min(WAIT_MS.most, this.#waitMs * 1.5)
      this.#arm()
    } catch (error) {
      if (this.#over) return
      this.stop()
      this.#deps.onEnd(error)
    }
  }

  /** Whether there was anything to tell. */
  async #look(): Promise<boolean> {
    const watched = Array.from(this.#watched.values()).slice(0, WATCHED_AT_ONCE)
    const look = await this.#deps.look(watched, this.#since)
    if (this.#over) return false
    const signals = [...this.#queueSignals(look), ...this.#taskSignals(look)]
    if (signals.length > 0) this.#deps.tell(signals)
    return signals.length > 0
  }

  #queueSignals({ queues }: Look): readonly StoreSignal[] {
    const signals: StoreSignal[] = []
    const known = new Map((queues ?? []).map((queue) => [queue.name, queue]))
    for (const { name: queue, paused, due, dueAt } of known.values()) {
      const before = this.#known.get(queue)
      const sooner = dueAt !== null && (before?.dueAt ?? Infinity) > dueAt
      if (due || sooner) signals.push({ type: 'due', queue })
      if (before !== undefined && before.paused !== paused) {
        signals.push({ type: paused ? 'paused' : 'resumed', queue })
      }
    }
    this.#known = known
    return signals
  }

  #taskSignals({ killed, last, settled }: Look): readonly StoreSignal[] {
    const signals: StoreSignal[] = []
    const before = this.#since
    this.#since = Math.max(before, last ?? 0)
    // The first look only finds out where to begin.
    if (this.#looked && this.#since > before) {
      for (const [queue, ids] of killed ?? []) signals.push({ type: 'killed', queue, ids })
    }
    this.#looked = true
    for (const [queue, id] of settled ?? []) {
      if (this.#watched.delete(JSON.stringify([queue, id]))) {
        signals.push({ type: 'settled', queue, ids: [id] })
      }
    }
    return signals
  }
}
