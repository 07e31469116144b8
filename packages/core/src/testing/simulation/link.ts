import { BackendError, isBackendError } from '../../errors/backend-errors.ts'
import type { StoreSignal } from '../../storage/task-store.ts'
import type { Call, Operation } from '../wire.ts'
import type { CallChecks } from './call-checks.ts'
import type { Checker } from './checker.ts'
import { describeAnswer, describeCall } from './describe.ts'
import type { Faults, Fate } from './faults.ts'
import type { History } from './history.ts'
import type { Actor } from './leases.ts'
import { LostAnswer } from './lost-answer.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

/** What a {@link Link} works with. */
export interface LinkDeps {
  readonly timeline: Timeline
  readonly history: History
  readonly checker: Checker
  readonly faults: Faults
  readonly random: Random
  readonly actor: Actor
  readonly checks: CallChecks
}

interface Subscription {
  readonly end: (error: unknown) => void
}

/** Every call that a process can make. */
export const operations: readonly Operation[] = [
  'insert',
  'register',
  'claim',
  'settle',
  'exchange',
  'beat',
  'rescue',
  'leave',
  'listen',
  'watch',
  'get',
  'list',
  'count',
  'queues',
  'workers',
  'update',
  'kill',
  'take',
  'retry',
  'remove',
  'pause',
  'purge',
  'close',
]

/** One call on its way. */
interface Trip {
  readonly call: Call
  /** What the storage is given. */
  readonly args: readonly unknown[]
  /** When it left the process. */
  readonly begun: number
  readonly fate: Fate
  readonly apply: () => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

type Outcome = { readonly value: unknown } | { readonly error: unknown; readonly unknown: boolean }

/**
 * Between one process and the storage: decides when each call reaches the storage, when its answer arrives and what of it,
 * and when signals do. The storage is given one call after the other, so that all answers have one order.
 */
export class Link {
  readonly #deps: LinkDeps
  readonly #subscriptions = new Set<Subscription>()
  #closed = false
  /** Calls of a process that died, which may still reach the storage. */
  #lost: Random | undefined

  constructor(deps: LinkDeps) {
    this.#deps = deps
  }

  /** How many subscriptions stand. */
  get subscriptions(): number {
    return this.#subscriptions.size
  }

  /** Handles every call of the process: what its wire intercepts. */
  readonly intercept = (
    apply: (args?: readonly unknown[]) => Promise<unknown>,
    call: Call,
  ): Promise<unknown> => {
    if (call.operation === 'close') {
      this.close()
      return apply()
    }
    const { checks, faults, timeline } = this.#deps
    const begun = timeline.now
    checks.called(call)
    const args = call.operation === 'listen' ? this.#heard(call.args) : call.args
    return new Promise((resolve, reject) => {
      const fate = faults.fate(begun)
      this.#send({ call, args, begun, fate, apply: () => apply(args), resolve, reject })
    })
  }

  #send(trip: Trip): void {
    const { call, fate, reject } = trip
    const { history, actor } = this.#deps
    const { applyIn, answerIn = 0, failure } = fate
    if (failure === 'refused' || failure === 'fatal') {
      this.#later((applyIn ?? 0) + answerIn, () => {
        history.note(actor.name, `${this.#text(call)} ${failure}`)
        reject(refusal(call.operation, failure))
      })
    } else if (applyIn === undefined) {
      history.note(actor.name, `${this.#text(call)} never arrives`)
    } else {
      this.#later(applyIn, async () => {
        const outcome = await this.#apply(trip)
        if (outcome === undefined || fate.answerIn === undefined) return
        this.#later(fate.answerIn, () => this.#arrive(trip, outcome))
      })
    }
  }

  #arrive({ call, args, begun, fate, resolve, reject }: Trip, outcome: Outcome): void {
    const { checks } = this.#deps
    if ('error' in outcome) {
      if (outcome.unknown) checks.lost(call, begun)
      reject(outcome.error)
    } else if (fate.failure === 'lost') {
      checks.lost(call, begun)
      reject(lostAnswer(call.operation))
    } else {
      checks.answered(call, outcome.value, begun)
      resolve(call.operation === 'listen' ? this.#subscribed(outcome.value, args) : outcome.value)
    }
  }

  /** The process has died: what it has asked for reaches the storage, or does not. */
  die(random: Random): void {
    this.#lost = random
    this.#subscriptions.clear()
  }

  /** Nothing gets through any more. */
  close(): void {
    this.#closed = true
    this.#subscriptions.clear()
  }

  /** The subscriptions end by themselves, as with a broken connection. */
  endListening(): void {
    for (const { end } of Array.from(this.#subscriptions)) end(new Error('connection reset'))
  }

  async #apply({ call, fate, apply }: Trip): Promise<Outcome | undefined> {
    if (this.#closed || this.#lost?.chance(0.5) === true) return undefined
    const { actor, history, timeline } = this.#deps
    await timeline.reachStorage()
    try {
      const value = await apply()
      const ending =
        fate.answerIn === undefined ? ' (hangs)' : fate.failure === 'lost' ? ' (answer lost)' : ''
      this.#applied(call, value, ending)
      return { value }
    } catch (thrown) {
      const lost = thrown instanceof LostAnswer
      const error = lost ? thrown.cause : thrown
      const message = error instanceof Error ? error.message : String(error)
      if (lost) this.#applied(call, thrown.answer, ` (answer lost: ${message})`)
      else history.note(actor.name, `${this.#text(call)} failed: ${message}`)
      return { error, unknown: isBackendError(error) && error.applied === 'unknown' }
    }
  }

  #applied(call: Call, value: unknown, ending: string): void {
    const { actor, checker, history } = this.#deps
    // Checked first: it knows the names of the incarnations that the line is about.
    checker.applied(actor, call.operation, call.args, value)
    history.note(actor.name, `${this.#text(call)}${describeAnswer(call.operation, value)}${ending}`)
  }

  #text(call: Call): string {
    return describeCall(call, (id) => this.#deps.checker.leases.nameOf(id))
  }

  /** The arguments of a `listen` whose signals arrive as this link decides. */
  #heard(args: readonly unknown[]): readonly unknown[] {
    // The contract of `listen`.
    const [onSignal] = args as [(signal: StoreSignal) => void]
    const heard = (signal: StoreSignal): void => {
      if (this.#closed || this.#lost !== undefined) return
      for (const late of this.#deps.faults.arrivals()) this.#later(late, () => onSignal(signal))
    }
    return [heard, ...args.slice(1)]
  }

  #subscribed(value: unknown, args: readonly unknown[]): AsyncDisposable {
    // The contract of `listen`: what it answers, and what hears of its end.
    const real = value as AsyncDisposable
    const onEnd = args[1] as ((error: unknown) => void) | undefined
    const dispose = async (): Promise<void> => {
      this.#subscriptions.delete(subscription)
      await real[Symbol.asyncDispose]()
    }
    const subscription: Subscription = {
      end: (error) => {
        void dispose()
        if (this.#deps.actor.state === 'running') onEnd?.(error)
      },
    }
    this.#subscriptions.add(subscription)
    return { [Symbol.asyncDispose]: dispose }
  }

  #later(ms: number, run: () => unknown): void {
    this.#deps.timeline.schedule(ms, this.#deps.random.next(), run)
  }
}

function refusal(operation: string, failure: 'refused' | 'fatal'): BackendError {
  return failure === 'refused'
    ? new BackendError(operation, 'the connection is down', { applied: 'no' })
    : new BackendError(operation, 'it is not to be', { transient: false, applied: 'no' })
}

function lostAnswer(operation: string): BackendError {
  return new BackendError(operation, 'the connection was lost', { applied: 'unknown' })
}
