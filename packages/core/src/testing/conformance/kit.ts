import type { Handler, Layer, Service, TaskRequest } from '../../service/service.ts'
import type { Event, EventBase, TaskErrorEvent } from '../../service/events.ts'
import type { RunningWorker } from '../process.ts'

/** One call of a {@link Desk}'s handler: the case decides how it ends. */
export interface Run<Args, Result = unknown> {
  readonly args: Args
  readonly request: TaskRequest<Args>
  /** The number of the run, 1 for the first. */
  readonly attempt: number
  readonly signal: AbortSignal
  finish(result: Result): void
  fail(error: unknown): void
}

/** A handler that ends when the case says so. */
export class Desk<Args, Result = unknown> {
  /** Every call so far, oldest first. */
  readonly runs: Run<Args, Result>[] = []
  /** Calls that have not ended. */
  open = 0
  /** The most there were at the same time. */
  most = 0

  /** What to give a worker. */
  readonly handler: Handler<Args, {}, Result> = (args, request) =>
    new Promise<Result>((resolve, reject) => {
      this.open += 1
      this.most = Math.max(this.most, this.open)
      let running = true
      const end = (): void => {
        if (running) this.open -= 1
        running = false
      }
      this.runs.push({
        args,
        request,
        attempt: request.attempt,
        // Read now: it is made when first asked for.
        signal: request.signal,
        finish(result) {
          end()
          resolve(result)
        },
        fail(error) {
          end()
          reject(error)
        },
      })
    })

  /** The call of that index; there must be one. */
  at(index: number): Run<Args, Result> {
    const run = this.runs.at(index)
    if (run === undefined) throw new Error(`the handler was not called ${index + 1} times`)
    return run
  }

  /** What each call was given, oldest first. */
  get args(): readonly Args[] {
    return this.runs.map(({ args }) => args)
  }
}

/** A handler that notes what it is given and ends at once. */
export class Notes<Args> {
  readonly args: Args[] = []
  readonly attempts: number[] = []

  readonly handler: Handler<Args> = (args, request) => {
    this.args.push(args)
    this.attempts.push(request.attempt)
  }

  /** What came more than once. */
  get doubled(): readonly Args[] {
    return this.args.filter((args, index) => this.args.indexOf(args) !== index)
  }
}

/** A handler that fails every time, and counts. */
export class Failing {
  calls = 0
  readonly #error: (call: number) => unknown

  constructor(error: (call: number) => unknown = (call) => new Error(`failure ${call}`)) {
    this.#error = error
  }

  readonly handler: Handler<unknown, {}, never> = () => {
    this.calls += 1
    return raise(this.#error(this.calls))
  }
}

/** Throws anything, as user code may. */
export function raise(error: unknown): never {
  throw error
}

/** A layer in a service of its own making. */
export function layerOf(
  name: string,
  around: (inner: Service<TaskRequest, unknown>) => Partial<Service<TaskRequest, unknown>>,
  traits: { readonly boundsInFlight?: boolean } = {},
): Layer {
  const layer: Layer = (inner) => {
    // The layer gives back what the inner service gives; only the types of both are forgotten.
    const own = around(inner as Service<TaskRequest, unknown>)
    return {
      call: (request: TaskRequest) => inner.call(request as never),
      ...own,
    } as typeof inner
  }
  return Object.assign(layer, { layerName: name, ...traits })
}

/** A layer that claims `limit` tasks and lets none, or only some, of them start: the rest waits in the worker's buffer. */
export class Gate {
  /** What the layer says it would take. */
  capacity: number
  /** What it says from the first call on; undefined once it was set. */
  #then: number | undefined
  #wake: () => void = () => {}

  constructor(capacity: number, afterFirst: number) {
    this.capacity = capacity
    this.#then = afterFirst
  }

  readonly layer: Layer = layerOf(
    'gate',
    (inner) => ({
      call: (request) => {
        this.capacity = this.#then ?? this.capacity
        return inner.call(request)
      },
      capacity: () => this.capacity,
      ready: (signal) =>
        new Promise((resolve) => {
          if (this.capacity > 0) resolve()
          this.#wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        }),
    }),
    { boundsInFlight: true },
  )

  /** Takes so many from now on. */
  set(capacity: number): void {
    this.capacity = capacity
    this.#then = undefined
    this.#wake()
  }
}

/** Events of one type, as that type. */
export function eventsOf<Type extends Event['type']>(
  worker: RunningWorker,
  type: Type,
): readonly (Event & { readonly type: Type })[] {
  return worker.events.filter(
    (event): event is Event & { readonly type: Type } => event.type === type,
  )
}

/** The `error` events about a task, of one outcome or of any. */
export function failures(
  worker: RunningWorker,
  outcome?: TaskErrorEvent['outcome'],
): readonly (EventBase & TaskErrorEvent)[] {
  return worker.events.filter(
    (event): event is EventBase & TaskErrorEvent =>
      event.type === 'error' &&
      'outcome' in event &&
      (outcome === undefined || event.outcome === outcome),
  )
}

/** A promise that a case looks at before it waits for it. */
export interface Pending<Value> {
  readonly promise: Promise<Value>
  /** Whether it has settled. */
  readonly over: boolean
}

/** Looks after a promise, so that it may also reject before anybody waits for it. */
export function pending<Value>(promise: Promise<Value>): Pending<Value> {
  const watched = { promise, over: false }
  const end = (): void => {
    watched.over = true
  }
  promise.then(end, end)
  return watched
}
