import type { Claimed, StoreSettlement, WorkerRef } from '../../storage/task-store.ts'
import { type Call, claiming } from '../wire.ts'
import type { Checker } from './checker.ts'
import type { History } from './history.ts'
import type { Actor } from './leases.ts'

/** A worker of a process, as far as its calls are concerned. */
export interface CallingWorker {
  readonly queue: string
  /** Of its present incarnation. */
  readonly id: string | undefined
  /** Since when the storage has known it in its present life; Infinity: it does not yet. */
  readonly knownSince: number
  /** An incarnation asks for tasks. */
  claims(): void
  /** An incarnation has heard that the storage knows it. */
  registered(): void
}

/** A process whose calls are checked. */
export interface CallingProcess extends Actor {
  readonly callers: readonly CallingWorker[]
  /** When it last began to stand still. */
  readonly stoodSince: number
  /** When it last went on after that; before all time: it never stood still. */
  readonly thawedAt: number
  /** How many of its clients look for abandoned tasks themselves. */
  readonly resuming: number
}

/** What the checks of calls need to know of the plan. */
export interface CallLimits {
  readonly leaseMs: number
  readonly callTimeoutMs: number
}

/** Within so long after a process stood still leaves it what it asked for before that, in milliseconds. */
const THAW_MS = 5
/** How late a timer may be. */
const LATE_MS = 300

/** What a process may ask its storage, and when, in the light of what it has been told. */
export class CallChecks {
  readonly #process: CallingProcess
  readonly #history: History
  readonly #checker: Checker
  readonly #limits: CallLimits
  /** Incarnations that do not know what they claimed, each with when it heard so. */
  readonly #doubts = new Map<string, number>()
  /** How often each call was made. */
  readonly counts: Map<string, number> = new Map<string, number>()

  constructor(process: CallingProcess, history: History, checker: Checker, limits: CallLimits) {
    this.#process = process
    this.#history = history
    this.#checker = checker
    this.#limits = limits
  }

  /** The process makes a call. */
  called({ operation, args }: Call): void {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1)
    // The contracts of these operations.
    const [first, second] = args as readonly [WorkerRef, readonly StoreSettlement[]]
    if (operation === 'settle' || operation === 'exchange') {
      this.#checker.unstarted.over(first.queue, second)
    }
    if (claiming.some((claim) => claim === operation)) this.#claims(first.id)
    if (operation === 'rescue' && this.#process.resuming === 0) this.#rescues(String(args[0]))
  }

  /** What a call that was made at `begun` was answered with has arrived. */
  answered({ operation, args }: Call, answer: unknown, begun: number): void {
    // The contracts of these operations.
    const [worker] = args as readonly [WorkerRef]
    switch (operation) {
      case 'register':
        if (this.#isAwaited(begun)) this.#callerOf(worker.id)?.registered()
        break
      case 'beat':
        this.#checker.leases.trusted(worker.id, begun)
        if ((this.#doubts.get(worker.id) ?? Infinity) <= begun) this.#doubts.delete(worker.id)
        break
      case 'claim':
        this.#claimed(worker, answer as Claimed, begun)
        break
      case 'exchange':
        this.#claimed(worker, (answer as { readonly claimed: Claimed }).claimed, begun)
        break
      default:
    }
  }

  /** The process hears that nobody knows what became of a call that was made at `begun`. */
  lost({ operation, args }: Call, begun: number): void {
    if (!claiming.some((claim) => claim === operation) || !this.#isAwaited(begun)) return
    const [worker] = args as readonly [WorkerRef]
    this.#doubts.set(worker.id, this.#history.now)
  }

  /** Whether the process surely waits for the answer to a call that left it at `begun`: it may have given up. */
  #isAwaited(begun: number): boolean {
    if (this.#history.now >= begun + this.#limits.callTimeoutMs) return false
    return begun > this.#process.thawedAt + THAW_MS
  }

  #claimed(worker: WorkerRef, { rows }: Claimed, begun: number): void {
    if (this.#isAwaited(begun)) this.#checker.unstarted.claimed(worker, rows, this.#process)
  }

  #claims(incarnation: string): void {
    if (this.#doubts.has(incarnation)) {
      const name = this.#checker.leases.nameOf(incarnation)
      this.#history.fail('bounded', `${name} claims before a beat has told what it holds`)
    }
    this.#callerOf(incarnation)?.claims()
  }

  /** Who has just stood still for more than a beat rescues nobody: first all get the chance to beat. */
  #rescues(queue: string): void {
    const { callers, name, runsSince, stoodSince } = this.#process
    const beatMs = this.#limits.leaseMs / 3
    const stood = runsSince - stoodSince
    // A worker that the storage has only just come to know was never late.
    const fresh = callers.some((one) => one.queue === queue && one.knownSince > stoodSince)
    if (fresh || stood < 1.5 * beatMs + LATE_MS) return
    if (this.#history.now - runsSince >= beatMs) return
    this.#history.fail('one owner', `${name} rescues right after it stood still for ${stood} ms`)
  }

  #callerOf(incarnation: string): CallingWorker | undefined {
    return this.#process.callers.find(({ id }) => id === incarnation)
  }
}
