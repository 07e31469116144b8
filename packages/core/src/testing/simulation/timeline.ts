import { RankedHeap } from '../../storage/memory/ranked-heap.ts'
import { turn } from '../../time/clock.ts'
import type { BareHarness } from '../harness.ts'

/** Turns of the event loop after each event: enough for what it set in motion to call the storage or to wait. */
const TURNS = 3

interface Moment {
  readonly at: number
  place: number
  over: boolean
  readonly run: () => unknown
}

/**
 * Virtual time: everything that happens in a simulation is an event of it, one after the other, and nothing happens by
 * itself. What is due in the same millisecond comes in the order of the ranks that its scheduler drew.
 */
export class Timeline {
  readonly #harness: Pick<BareHarness, 'advance' | 'clock'>
  readonly #moments = new RankedHeap<Moment>()
  #now = 0
  /** How far the storage's time has come. */
  #storageAt = 0
  /** How many events there were. */
  events = 0

  constructor(harness: Pick<BareHarness, 'advance' | 'clock'>) {
    this.#harness = harness
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now
  }

  /** Lets `run` happen in `ms` milliseconds; the answer prevents it. */
  schedule(ms: number, rank: number, run: () => unknown): () => void {
    const at = this.#now + Math.max(0, Math.ceil(ms))
    const moment: Moment = { at, place: 0, over: false, run }
    this.#moments.add(moment, at, rank)
    return () => {
      if (moment.over) return
      moment.over = true
      this.#moments.delete(moment)
    }
  }

  /** What the wall clocks show that are right. */
  wall(): number {
    return this.#harness.clock.now() + this.#now - this.#storageAt
  }

  /** Moves the storage's time to the present: it need not know of what passes while nobody asks it. */
  async reachStorage(): Promise<void> {
    const ms = this.#now - this.#storageAt
    if (ms === 0) return
    this.#storageAt = this.#now
    await this.#harness.advance(ms)
  }

  /** Lets happen what is due within `ms`, until `over` says so. Rejects with what an event throws. */
  async run(ms: number, over: () => boolean): Promise<void> {
    const end = this.#now + ms
    while (!over()) {
      const next = this.#moments.first()
      if (next === undefined || next.at > end) {
        this.#now = end
        return
      }
      this.#moments.delete(next)
      next.over = true
      this.#now = Math.max(this.#now, next.at)
      this.events += 1
      await next.run()
      for (let turns = 0; turns < TURNS; turns += 1) await turn()
    }
  }
}
