import { BackendError } from '../errors/backend-errors.ts'
import type { StoreSignal, TaskStore } from '../storage/task-store.ts'

/** The calls that a store answers. */
export type Operation = Exclude<keyof TaskStore, symbol>

/** Every call that may bring claims. */
export const claiming: readonly Operation[] = ['claim', 'exchange']

/** Every call that may end claims with an outcome. */
export const settling: readonly Operation[] = ['settle', 'exchange']

/** One call that a process made. */
export interface Call {
  readonly operation: string
  readonly args: readonly unknown[]
}

/** Stands between a process and its store for one call: `apply` makes the call, with other arguments if it is given some. */
export type Interception = (
  apply: (args?: readonly unknown[]) => Promise<unknown>,
  call: Call,
) => Promise<unknown>

interface Rule {
  readonly operations: readonly string[]
  readonly intercept: Interception
  left: number
}

/** The connection of one simulated process to its store: sees every call, can fail, hold, lose its answers, freeze and die. */
export class Wire<Tx> {
  /** What the process gets for a store. */
  readonly store: TaskStore<Tx>
  /** Every call so far, oldest first. */
  readonly calls: Call[] = []
  /** Grows with every call that begins or ends. */
  activity = 0
  /** Calls that the store itself has not answered yet. */
  inFlight = 0
  readonly #rules: Rule[] = []
  #dead = false
  #deaf = false
  #thawed: Promise<void> | undefined
  #thaw: () => void = () => {}

  constructor(target: TaskStore<Tx>) {
    this.store = new Proxy(target, {
      get: (store, key) => {
        const member: unknown = Reflect.get(store, key)
        if (typeof member !== 'function' || typeof key === 'symbol') return member
        return (...args: unknown[]) =>
          this.#call({ operation: key, args: this.#muted(key, args) }, (call) =>
            Reflect.apply(member, store, call.args),
          )
      },
    })
  }

  /** How often an operation, or one of several, was called. */
  count(operations: Operation | readonly Operation[]): number {
    const wanted: readonly string[] = typeof operations === 'string' ? [operations] : operations
    return this.calls.filter(({ operation }) => wanted.includes(operation)).length
  }

  /** Lets `intercept` handle the next `times` calls of the operations. The answer ends that. */
  intercept(
    operations: Operation | readonly Operation[],
    intercept: Interception,
    times: number = Number.MAX_SAFE_INTEGER,
  ): () => void {
    const rule: Rule = {
      operations: typeof operations === 'string' ? [operations] : operations,
      intercept,
      left: times,
    }
    this.#rules.push(rule)
    return () => {
      rule.left = 0
    }
  }

  /** The next `times` calls fail, and surely do nothing. */
  refuse(operations: Operation | readonly Operation[], times?: number): () => void {
    return this.intercept(
      operations,
      (_apply, { operation }) =>
        Promise.reject(
          new BackendError(operation, 'the connection is down', { transient: true, applied: 'no' }),
        ),
      times,
    )
  }

  /** The next `times` calls are applied, but their answers are lost. */
  loseAnswer(operations: Operation | readonly Operation[], times?: number): () => void {
    return this.intercept(
      operations,
      async (apply, { operation }) => {
        await apply()
        throw new BackendError(operation, 'the connection was lost', {
          transient: true,
          applied: 'unknown',
        })
      },
      times,
    )
  }

  /** The next `times` calls wait, `before` or `after` they are applied, until they are let go. */
  hold(
    operations: Operation | readonly Operation[],
    where: 'before' | 'after',
    times?: number,
  ): Held {
    const held = new Held()
    this.intercept(
      operations,
      async (apply) => {
        if (where === 'after') {
          const answer = await apply()
          await held.wait()
          return answer
        }
        await held.wait()
        return apply()
      },
      times,
    )
    return held
  }

  /** No signal of the store arrives any more, though listening goes well. */
  deafen(): void {
    this.#deaf = true
  }

  /** Neither calls nor answers nor signals get through until `thaw`. */
  freeze(): void {
    this.#thawed ??= new Promise((resolve) => {
      this.#thaw = resolve
    })
  }

  thaw(): void {
    this.#thawed = undefined
    this.#thaw()
  }

  /** Nothing gets through ever again. */
  die(): void {
    this.#dead = true
  }

  /** `args`, with the callback of a `listen` made to hear nothing while nothing gets through. */
  #muted(operation: string, args: readonly unknown[]): readonly unknown[] {
    if (operation !== 'listen') return args
    // The contract of `listen`.
    const [heard, ...rest] = args
    const onSignal = heard as (signal: StoreSignal) => void
    return [
      (signal: StoreSignal): void => {
        if (this.#dead || this.#deaf) return
        if (this.#thawed === undefined) onSignal(signal)
        else void this.#passage()?.then(() => onSignal(signal))
      },
      ...rest,
    ]
  }

  #call(call: Call, target: (call: Call) => Promise<unknown>): Promise<unknown> {
    this.calls.push(call)
    const apply = (args: readonly unknown[] = call.args): Promise<unknown> =>
      this.#applied(target({ ...call, args }))
    const rule = this.#rules.find(
      ({ operations, left }) => left > 0 && operations.includes(call.operation),
    )
    const closed = this.#passage()
    if (rule === undefined && closed === undefined) return this.#answer(apply())
    if (rule === undefined) return this.#answer(closed?.then(() => apply()) ?? apply())
    rule.left -= 1
    const intercepted = async (): Promise<unknown> => {
      await closed
      return rule.intercept(apply, call)
    }
    return this.#answer(intercepted())
  }

  async #applied(answer: Promise<unknown>): Promise<unknown> {
    this.inFlight += 1
    this.activity += 1
    try {
      return await answer
    } finally {
      this.inFlight -= 1
      this.activity += 1
    }
  }

  async #answer(answer: Promise<unknown>): Promise<unknown> {
    try {
      return await answer
    } finally {
      await this.#passage()
    }
  }

  /** What to wait for before anything gets through; undefined: nothing. */
  #passage(): Promise<void> | undefined {
    if (this.#dead) return new Promise(() => {})
    return this.#thawed?.then(() => this.#passage())
  }
}

/** Calls that wait until they are let go. */
export class Held {
  /** How many wait, or waited. */
  count = 0
  readonly #gone: Promise<void>
  #go: () => void = () => {}

  constructor() {
    this.#gone = new Promise((resolve) => {
      this.#go = resolve
    })
  }

  /** Waits. */
  wait(): Promise<void> {
    this.count += 1
    return this.#gone
  }

  /** Lets all of them go, and those still to come. */
  letGo(): void {
    this.#go()
  }
}
