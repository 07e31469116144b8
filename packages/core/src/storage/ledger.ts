import { type Slotted, SwapSet } from '../internal/swap-set.ts'
import type { Claim } from './task-store.ts'

/** A claim that this process knows of. */
export interface LedgerEntry extends Claim, Slotted {
  /** The incarnation that holds it. */
  readonly lockedBy: string
  /** A settle has carried it: the storage may have forgotten it before we hear so. */
  carried: boolean
  /** Its handler has settled it as done in a transaction of its own, which may be open, committed or rolled back. */
  completed: { readonly result: unknown } | undefined
  /** The permit to run a suspect that goes with it. */
  readonly permit: object | undefined
}

/** What the ledger knew when a beat began. */
export interface BeatView {
  readonly entries: readonly LedgerEntry[]
  /** The number of the last claim call begun before. */
  readonly calls: number
  /** Whether a claim call was open. */
  readonly open: boolean
  /** The lowest number of those open. */
  readonly oldestOpen: number
}

/** Where the storage and this process do not agree. */
export interface Differences {
  /** We have it and the storage does not: killed or taken. */
  readonly revoked: readonly LedgerEntry[]
  /** The storage has it and we do not: to be released. */
  readonly unknown: readonly Claim[]
}

/** What a worker incarnation holds, as this process knows it, and how that compares with what a beat answers. */
export class Ledger {
  readonly #entries = new SwapSet<LedgerEntry>()
  readonly #open = new Set<number>()
  #calls = 0
  /** Claims that went while a beat was under way. */
  #gone: Set<string> | undefined
  /** Claims that an earlier beat listed and nobody knew, each with the last claim call begun by then. */
  #doubtful = new Map<string, number>()

  /** A claim call begins; the answer is its number. */
  callBegins(): number {
    this.#calls += 1
    this.#open.add(this.#calls)
    return this.#calls
  }

  callEnds(call: number): void {
    this.#open.delete(call)
  }

  /** A claim was made. */
  add(claim: Claim, lockedBy: string, permit: object | undefined): LedgerEntry {
    const { id, epoch } = claim
    const entry = { id, epoch, lockedBy, permit, carried: false, completed: undefined, slot: -1 }
    this.#entries.add(entry)
    return entry
  }

  /** A claim has ended; false when it was not known any more. */
  remove(entry: LedgerEntry): boolean {
    if (!this.#entries.delete(entry)) return false
    this.#gone?.add(keyOf(entry))
    return true
  }

  /** Whether the claim is still in it. */
  holds(entry: LedgerEntry): boolean {
    return this.#entries.has(entry)
  }

  /** Whether it holds the task. */
  has(id: string): boolean {
    return this.#entries.all().some((entry) => entry.id === id)
  }

  /** Everything in it; empties it. */
  clear(): readonly LedgerEntry[] {
    const entries = this.#entries.all()
    for (const entry of entries) this.#entries.delete(entry)
    return entries
  }

  /** A beat begins. */
  beatBegins(): BeatView {
    this.#gone = new Set()
    return {
      entries: this.#entries.all().filter((entry) => !entry.carried),
      calls: this.#calls,
      open: this.#open.size > 0,
      oldestOpen: Math.min(...this.#open),
    }
  }

  /** The beat's answer: `held` is what the storage has. Whatever changed while the beat was under way is left out. */
  compare(view: BeatView, held: readonly Claim[]): Differences {
    const stored = new Map(held.map((claim) => [claim.id, claim.epoch]))
    const revoked = view.entries.filter(
      (entry) => this.#entries.has(entry) && !entry.carried && stored.get(entry.id) !== entry.epoch,
    )
    const known = new Set(this.#entries.all().map(keyOf))
    const strangers = held.filter((claim) => {
      const key = keyOf(claim)
      return !known.has(key) && this.#gone?.has(key) !== true
    })
    this.#gone = undefined
    return { revoked, unknown: this.#release(view, strangers) }
  }

  /** A beat failed. */
  beatFailed(): void {
    this.#gone = undefined
  }

  /** Of the claims that nobody knows: those that no claim call can still bring. */
  #release(view: BeatView, strangers: readonly Claim[]): readonly Claim[] {
    const quiet = !view.open && this.#calls === view.calls
    const doubtful = new Map<string, number>()
    const release: Claim[] = []
    for (const claim of strangers) {
      const key = keyOf(claim)
      const seenAt = this.#doubtful.get(key)
      if (quiet || (seenAt !== undefined && view.oldestOpen > seenAt)) release.push(claim)
      doubtful.set(key, seenAt ?? this.#calls)
    }
    this.#doubtful = doubtful
    return release
  }
}

function keyOf({ id, epoch }: Claim): string {
  return `${epoch}:${id}`
}
