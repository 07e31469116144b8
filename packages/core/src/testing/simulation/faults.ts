import type { Random } from './random.ts'

/** What a simulation makes go wrong. Each seed has some of them. */
export const faultKinds = [
  /** Calls and answers that take long. */
  'slow',
  /** Calls that are refused, and surely did nothing. */
  'refuse',
  /** Calls that are applied, and their answers are lost. */
  'lose',
  /** Calls that are never answered: applied in time, late, or never. */
  'hang',
  /** Calls that fail for a reason that is not transient. */
  'fatal',
  /** Times in which a process, or everybody, does not reach the storage. */
  'outage',
  /** Signals that are lost, late, or come twice. */
  'signals',
  /** Subscriptions that end by themselves. */
  'deaf',
  /** Timers that fire late. */
  'late',
  /** Wall clocks of processes that are set. */
  'clocks',
  /** The storage's wall clock is set. Only a storage that reads the harness's clock notices. */
  'storageClock',
  /** Processes that stand still for a while, longer than a lease too. */
  'freeze',
  /** Processes that die, and are replaced. */
  'die',
  /** Tasks that kill the process that runs them. */
  'poison',
  /** Workers and processes that are stopped, with a deadline or without, and started anew. */
  'stop',
] as const

/** One kind of what goes wrong. */
export type FaultKind = (typeof faultKinds)[number]

/** What becomes of one call. */
export interface Fate {
  /** It reaches the storage after so long; undefined: never. */
  readonly applyIn: number | undefined
  /** The answer arrives so long after that; undefined: never. */
  readonly answerIn: number | undefined
  /** What the process hears instead of the answer. */
  readonly failure: 'refused' | 'fatal' | 'lost' | undefined
}

/** A time in which a process does not reach the storage. */
export interface Outage {
  readonly from: number
  readonly to: number
  readonly how: 'refused' | 'hung' | 'lost'
}

/** How often what goes wrong, as shares of all calls and signals. */
export interface FaultRates {
  readonly slow: number
  readonly refuse: number
  readonly lose: number
  readonly hang: number
  readonly fatal: number
  readonly signals: number
}

const NONE: FaultRates = { slow: 0, refuse: 0, lose: 0, hang: 0, fatal: 0, signals: 0 }

/** Draws the rates of one seed: of the kinds that it has, some rare and some frequent. */
export function drawRates(random: Random, kinds: ReadonlySet<FaultKind>): FaultRates {
  const rate = (kind: FaultKind, rare: number, frequent: number): number => {
    const share = random.fork(kind).chance(0.5) ? rare : frequent
    return kinds.has(kind) ? share : 0
  }
  return {
    slow: rate('slow', 0.05, 0.3),
    refuse: rate('refuse', 0.02, 0.15),
    lose: rate('lose', 0.02, 0.12),
    hang: rate('hang', 0.01, 0.05),
    fatal: rate('fatal', 0.004, 0.01),
    signals: rate('signals', 0.1, 0.7),
  }
}

/** Decides about each call and signal of one process. */
export class Faults {
  readonly #random: Random
  readonly #signals: Random
  readonly #outages: readonly Outage[]
  readonly #callTimeoutMs: number
  #rates: FaultRates

  constructor(
    random: Random,
    rates: FaultRates,
    outages: readonly Outage[],
    callTimeoutMs: number,
  ) {
    this.#random = random.fork('calls')
    this.#signals = random.fork('signals')
    this.#rates = rates
    this.#outages = outages
    this.#callTimeoutMs = callTimeoutMs
  }

  /** From now on everything goes well, and fast. */
  end(): void {
    this.#rates = NONE
  }

  /** What becomes of a call that is made now. */
  fate(now: number): Fate {
    const random = this.#random
    // Drawn whatever happens, so that one fault less does not change all that comes after.
    const draw = random.next()
    const trip = (): number =>
      random.chance(this.#rates.slow) ? this.#slow() : random.between(0, 9)
    const applyIn = trip()
    const answerIn = trip()
    const outage = this.#outages.find(({ from, to }) => from <= now && now < to)
    const { refuse, lose, hang, fatal } = this.#rates
    if (outage?.how === 'refused' || draw < refuse) {
      return { applyIn, answerIn, failure: 'refused' }
    }
    if (outage?.how === 'lost' || draw < refuse + lose) {
      return { applyIn, answerIn, failure: 'lost' }
    }
    if (outage?.how === 'hung' || draw < refuse + lose + hang) {
      return { applyIn: this.#hang(applyIn), answerIn: undefined, failure: undefined }
    }
    if (draw < refuse + lose + hang + fatal) return { applyIn, answerIn, failure: 'fatal' }
    return { applyIn, answerIn, failure: undefined }
  }

  /** When a signal that was given now arrives: not at all, once, or twice. */
  arrivals(): readonly number[] {
    const random = this.#signals
    const late = random.between(0, 8)
    if (!random.chance(this.#rates.signals)) return [late]
    switch (random.weighted({ lost: 5, late: 3, twice: 2 })) {
      case 'lost':
        return []
      case 'late':
        return [random.between(10, 3_000)]
      case 'twice':
        return [late, late + random.between(0, 500)]
    }
  }

  #slow(): number {
    return this.#random.between(10, Math.floor(this.#callTimeoutMs * 0.7))
  }

  /** In time, late, or never. */
  #hang(applyIn: number): number | undefined {
    switch (this.#random.weighted({ inTime: 4, late: 3, never: 3 })) {
      case 'inTime':
        return applyIn
      case 'late':
        return this.#random.between(this.#callTimeoutMs, this.#callTimeoutMs * 3)
      case 'never':
        return undefined
    }
  }
}
