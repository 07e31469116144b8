import {
  isAbortError,
  isRefusal,
  isRetryAfterError,
  isTimeoutError,
} from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'
import { finiteNumber, func, knownKeys, OptionError, wholeNumber } from '../internal/validate.ts'
import type { EmittedEvent } from '../service/events.ts'
import { ownLayer } from '../service/own-layer.ts'
import { asRun } from '../service/request.ts'
import type { Layer, Obstacle, Service, TaskRequest } from '../service/service.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import { atOnce } from './at-once.ts'
import {
  Circuit,
  type CircuitChange,
  type CircuitOutcome,
  type CircuitRules,
  type CircuitState,
  type CircuitStatistics,
} from './circuit.ts'
import { tell } from './tell.ts'
import type { Sharer } from './turns.ts'

/** Options of {@link circuitBreaker}. */
export interface CircuitBreakerOptions {
  /** Opens after so many failures in a row. @default 5; none where a `rate` is given */
  readonly failures?: number
  /** Opens when at least this share of the calls in `window` failed, above 0 and at most 1. */
  readonly rate?: number
  /** For how long a call counts for the `rate`, at least 10 ms. @default '30s' */
  readonly window?: Duration
  /** Of how few calls in the window no `rate` is taken. @default 10 */
  readonly minimum?: number
  /** How long it stays open before it tries whether calls succeed again. @default '30s' */
  readonly recovery?: Duration
  /** How many calls it lets through at once while it tries. @default 1 */
  readonly probes?: number
  /** How many of them have to succeed before it closes; one that fails opens it again. @default 1 */
  readonly successes?: number
  /** Whether an error says that what is called is out of order; answers at once. @default every error but `AbortError` */
  readonly counts?: (error: unknown, request: TaskRequest) => boolean
}

/** A {@link circuitBreaker} layer. */
export interface CircuitBreakerLayer extends Layer {
  readonly layerName: string
  readonly state: CircuitState
  readonly statistics: CircuitStatistics
  /**
   * Calls back after every change of state, and waits for nothing; the answer takes the listener off. What it throws, or its
   * promise rejects with, is an `error` event `circuitBreaker onChange` of the workers.
   */
  onChange(listener: (change: CircuitChange) => unknown): () => void
}

const MOST = 1_000_000

/**
 * Stops calling what keeps failing. Closed it lets every call through; after `failures` in a row, or when the `rate` of
 * failures is reached, it is open for the time of `recovery`: its capacity is 0, so the worker claims nothing. Then it is
 * half-open: it lets `probes` through at once, closes when `successes` of them have succeeded, and opens again when one
 * fails. Calls that were refused, given back, interrupted by a shutdown, killed or lost count as neither. One instance
 * given to several workers is one circuit for all of them. Changes are told as `custom` events `circuitBreaker`. apalis's
 * `CircuitBreakerLayer`.
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreakerLayer {
  const rules = checked(options)
  const { counts = countsByDefault } = options
  func('circuitBreaker counts', counts)
  const listeners = new Set<(change: CircuitChange) => unknown>()
  const workers = new Set<WorkerContext>()
  const circuit = new Circuit(rules, (change) => tellChange(change, listeners, workers))
  const layer: Layer = (inner) => new CircuitService(inner, circuit, counts, workers)
  ownLayer(layer, { layerName: 'circuitBreaker' })
  Object.assign(layer, {
    onChange(listener: (change: CircuitChange) => unknown): () => void {
      const own = func('circuitBreaker onChange', listener).bind(undefined)
      listeners.add(own)
      return () => listeners.delete(own)
    },
  })
  Object.defineProperties(layer, {
    state: { get: () => circuit.state },
    statistics: { get: () => circuit.statistics },
  })
  // What it lacked was added just now.
  return layer as CircuitBreakerLayer
}

function checked(options: CircuitBreakerOptions): CircuitRules {
  const known = [
    'failures',
    'rate',
    'window',
    'minimum',
    'recovery',
    'probes',
    'successes',
    'counts',
  ]
  knownKeys('circuitBreaker', options, known)
  const { failures, rate, window, minimum, recovery = '30s', probes = 1, successes = 1 } = options
  const whole = (name: string, value: unknown): number =>
    wholeNumber(`circuitBreaker ${name}`, value, { min: 1, max: MOST })
  if (rate === undefined) {
    for (const [name, value] of Object.entries({ window, minimum })) {
      if (value !== undefined) {
        throw new OptionError(`circuitBreaker ${name}`, value, 'a rate beside it')
      }
    }
  } else if (finiteNumber('circuitBreaker rate', rate, { max: 1 }) <= 0) {
    throw new OptionError('circuitBreaker rate', rate, 'a number above 0, at most 1')
  }
  return {
    failures:
      failures === undefined && rate !== undefined
        ? undefined
        : whole('failures', failures === undefined ? 5 : failures),
    rate,
    windowMs: durationMs('circuitBreaker window', window === undefined ? '30s' : window, {
      min: 10,
    }),
    minimum: whole('minimum', minimum === undefined ? 10 : minimum),
    recoveryMs: durationMs('circuitBreaker recovery', recovery, { min: 1 }),
    probes: whole('probes', probes),
    successes: whole('successes', successes),
  }
}

function tellChange(
  change: CircuitChange,
  listeners: ReadonlySet<(change: CircuitChange) => unknown>,
  workers: ReadonlySet<WorkerContext>,
): void {
  const { from, to, reason, until } = change
  const data = { from, to, reason, ...(until && { until: until.toISOString() }) }
  for (const worker of workers) worker.emit({ type: 'custom', name: 'circuitBreaker', data })
  const everyone = {
    emit: (event: EmittedEvent): void => {
      for (const worker of workers) worker.emit(event)
    },
  }
  for (const listener of listeners) {
    void tell(everyone, 'circuitBreaker onChange', () => listener(change))
  }
}

function countsByDefault(error: unknown): boolean {
  return !isAbortError(error)
}

class CircuitService<Req extends TaskRequest, Res> implements Service<Req, Res> {
  readonly #inner: Service<Req, Res>
  readonly #circuit: Circuit
  readonly #counts: (error: unknown, request: TaskRequest) => boolean
  readonly #workers: Set<WorkerContext>
  readonly #sharer: Sharer
  #known = false

  constructor(
    inner: Service<Req, Res>,
    circuit: Circuit,
    counts: (error: unknown, request: TaskRequest) => boolean,
    workers: Set<WorkerContext>,
  ) {
    this.#inner = inner
    this.#circuit = circuit
    this.#counts = counts
    this.#workers = workers
    this.#sharer = circuit.join()
  }

  capacity(ahead = 0): number {
    return Math.max(0, this.#circuit.free(this.#sharer, ahead))
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#circuit.ready(this.#sharer, signal)
  }

  obstacle(): Obstacle {
    return this.#circuit.obstacle
  }

  call(request: Req): Res | Promise<Res> {
    if (!this.#known) this.#introduce(request)
    const circuit = this.#circuit
    if (circuit.state !== 'closed' && !circuit.take(this.#sharer)) throw circuit.refuse()
    const { era } = circuit
    let result: Res | Promise<Res>
    try {
      result = this.#inner.call(request)
    } catch (error) {
      circuit.ended(era, this.#outcome(error, request))
      throw error
    }
    if (!isPromise(result)) {
      circuit.ended(era, 'success')
      return result
    }
    return result.then(
      (value) => {
        circuit.ended(era, 'success')
        return value
      },
      (error: unknown) => {
        circuit.ended(era, this.#outcome(error, request))
        throw error
      },
    )
  }

  /** Every service is one worker's, and this is its first call. */
  #introduce(request: Req): void {
    this.#known = true
    const { clock, worker } = asRun(request)
    this.#circuit.measureBy(clock)
    this.#workers.add(worker)
    void worker.stopped.then(() => this.#workers.delete(worker))
  }

  #outcome(error: unknown, request: Req): CircuitOutcome {
    const { cancellation, worker } = asRun(request)
    // Ended from outside; only that it took too long says something about what was called.
    if (cancellation.aborted && !isTimeoutError(cancellation.reason)) return 'neither'
    if (isRefusal(error)) return 'neither'
    if (isRetryAfterError(error) && error.countAttempt === false) return 'neither'
    try {
      return atOnce('counts', this.#counts(error, request)) ? 'failure' : 'neither'
    } catch (failure) {
      worker.emit({ type: 'error', operation: 'circuitBreaker counts', error: failure })
      return countsByDefault(error) ? 'failure' : 'neither'
    }
  }
}
