import { afterMicrotasks } from './microtasks.ts'

/** How calls are grouped. */
export interface GroupCommitOptions<Call, Answer> {
  /** Carries out calls together; answers each, in order. */
  readonly flush: (calls: readonly Call[]) => Promise<readonly Answer[]>
  /** How many items a call is. */
  readonly weigh: (call: Call) => number
  /** A flush takes no more items than this; a call that alone has more travels alone. */
  readonly maxItems: number
  /**
   * Whether a shared flush that failed with `error` is repeated in halves, down to the call at fault, which alone gets
   * the error. Otherwise every call of the flush gets it.
   */
  readonly splitOn: (error: unknown) => boolean
  /** What a call is given in place of the error of its flush. @default that error */
  readonly errorOf?: (error: unknown, call: Call) => unknown
}

interface Entry<Call, Answer> {
  readonly call: Call
  readonly weight: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/**
 * Calls that share round trips: while one flush is under way, calls gather; the next takes them all. There is no timer
 * and no delay. A flush begins when the current turn of the event loop has run all its microtasks, so that the calls of
 * one turn share it, those made by whoever the flush before has just answered included. Between two flushes the event loop
 * has a turn, however many calls wait.
 */
export class GroupCommit<Call, Answer> {
  readonly #options: GroupCommitOptions<Call, Answer>
  #waiting: Entry<Call, Answer>[] = []
  /** Where the first of the waiting entries stands; those before it were taken. */
  #head = 0
  #weight = 0
  #running = false
  #idle: (() => void)[] = []

  constructor(options: GroupCommitOptions<Call, Answer>) {
    this.#options = options
  }

  /** Carries out `call` with the next flush. */
  add(call: Call): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const weight = this.#options.weigh(call)
      this.#waiting.push({ call, weight, resolve, reject })
      this.#weight += weight
      if (!this.#running) {
        this.#running = true
        this.#schedule()
      }
    })
  }

  /** How many calls have not been taken by a flush. */
  get waiting(): number {
    return this.#waiting.length - this.#head
  }

  /** Settles when no call waits and no flush is under way. Never rejects. */
  idle(): Promise<void> {
    if (!this.#running) return Promise.resolve()
    return new Promise((resolve) => {
      this.#idle.push(resolve)
    })
  }

  #schedule(): void {
    afterMicrotasks(() => {
      void this.#next()
    })
  }

  async #next(): Promise<void> {
    await this.#flush(this.#take())
    if (this.waiting > 0) {
      // A flush may have waited for nothing. Others want the loop too, and who uses what was flushed goes first.
      setImmediate(() => this.#schedule())
      return
    }
    this.#running = false
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  #take(): readonly Entry<Call, Answer>[] {
    const { maxItems } = this.#options
    if (this.#head === 0 && this.#weight <= maxItems) {
      const all = this.#waiting
      this.#waiting = []
      this.#weight = 0
      return all
    }
    let end = this.#head
    let weight = 0
    for (; end < this.#waiting.length; end += 1) {
      const next = this.#waiting[end]?.weight ?? 0
      if (end > this.#head && weight + next > maxItems) break
      weight += next
    }
    const taken = this.#waiting.slice(this.#head, end)
    this.#weight -= weight
    this.#head = end
    // Moving what is left only when it is the smaller part keeps this linear for a million waiting calls.
    if (end * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(end)
      this.#head = 0
    }
    return taken
  }

  /** Never rejects: every entry gets its answer or its error. */
  async #flush(entries: readonly Entry<Call, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.flush(entries.map(({ call }) => call))
      if (answers.length !== entries.length) {
        throw new RangeError(`${entries.length} calls got ${answers.length} answers`)
      }
      // The lengths are equal, so each index holds an answer.
      entries.forEach(({ resolve }, index) => resolve(answers[index] as Answer))
    } catch (error) {
      if (entries.length > 1 && this.#options.splitOn(error)) {
        const half = entries.length >> 1
        await this.#flush(entries.slice(0, half))
        await this.#flush(entries.slice(half))
      } else {
        const { errorOf } = this.#options
        for (const { call, reject } of entries) {
          reject(errorOf === undefined ? error : errorOf(error, call))
        }
      }
    }
  }
}
