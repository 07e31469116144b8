import type { Backend } from '../backend/backend.ts'
import { anObject, func, knownKeys, OptionError, text, wholeNumber } from '../internal/validate.ts'
import { concurrency } from '../layers/concurrency.ts'
import { extract, type Extractors } from '../layers/extract.ts'
import { ABORT_GRACE_MS } from '../service/cancellation.ts'
import type { LayerTraits, Service } from '../service/service.ts'
import type { EventListener } from '../service/worker-context.ts'
import { checkClock, type Clock, systemClock } from '../time/clock.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import type {
  AckListener,
  BackendErrorHandler,
  NamedLayer,
  RawLayer,
  RawService,
  WorkerPlan,
} from './plan.ts'

/** Options of a `WorkerBuilder`. */
export interface WorkerBuilderOptions {
  /** The most tasks in one claim, from 1 to 1,000. @default 1000 */
  readonly claimBatch?: number
  /** How many outcomes may wait to become durable before the worker claims no more. @default 10000 */
  readonly acknowledgementBuffer?: number
  /** How long a handler may go on after its signal aborted, before it is left behind. @default '1s' */
  readonly abortGrace?: Duration
  /** How long a handler runs before the `longRun` event. @default '5m' */
  readonly longRunAfter?: Duration
  /** How many events a stream of events keeps for its reader, before the worker stops claiming. @default 10000 */
  readonly eventBuffer?: number
  /** @default the backend's, or the system's where it has none */
  readonly clock?: Clock
}

/** What a builder was given so far, with the types forgotten: its methods have checked them. */
export interface BuilderParts {
  readonly name: string
  readonly settings: WorkerSettings
  readonly backend: Backend<unknown, never>
  readonly data: object
  /** The names that `extract` gives to what it finds. */
  readonly extracted: readonly string[]
  readonly layers: readonly NamedLayer[]
  readonly listeners: readonly EventListener[]
  readonly ackWith: readonly AckListener[]
  readonly onBackendError?: BackendErrorHandler
}

/** The validated options of a builder. */
export type WorkerSettings = Pick<
  WorkerPlan<unknown, unknown>,
  'claimBatch' | 'acknowledgementBuffer' | 'abortGraceMs' | 'longRunAfterMs' | 'eventBuffer'
> & { readonly clock: Clock | undefined }

/** How many tasks run at once in a worker none of whose layers bounds that. */
const DEFAULT_CONCURRENCY = 10
const MOST_BUFFERED = 1_000_000

const OPTIONS: readonly (keyof WorkerBuilderOptions)[] = [
  'claimBatch',
  'acknowledgementBuffer',
  'abortGrace',
  'longRunAfter',
  'eventBuffer',
  'clock',
]

/** Validates the options of a builder. */
export function workerSettings(options: WorkerBuilderOptions): WorkerSettings {
  knownKeys('WorkerBuilder', options, OPTIONS)
  const {
    claimBatch = 1_000,
    acknowledgementBuffer = 10_000,
    abortGrace = ABORT_GRACE_MS,
    longRunAfter = '5m',
    eventBuffer = 10_000,
    clock,
  } = options
  return {
    claimBatch: wholeNumber('claimBatch', claimBatch, { min: 1, max: 1_000 }),
    acknowledgementBuffer: wholeNumber('acknowledgementBuffer', acknowledgementBuffer, {
      min: 1,
      max: MOST_BUFFERED,
    }),
    abortGraceMs: durationMs('abortGrace', abortGrace),
    longRunAfterMs: durationMs('longRunAfter', longRunAfter, { min: 1 }),
    eventBuffer: wholeNumber('eventBuffer', eventBuffer, { min: 1, max: MOST_BUFFERED }),
    clock: clock === undefined ? undefined : checkClock('clock', clock),
  }
}

/** `parts` with more data. A name given twice is refused: it would change what an earlier layer was promised. */
export function addData(parts: BuilderParts, added: object): BuilderParts {
  const prototype: unknown = Object.getPrototypeOf(anObject('data', added))
  if (prototype !== Object.prototype && prototype !== null) {
    throw new OptionError('data', added, 'a plain object: only own properties reach the handler')
  }
  refuseTaken(parts, 'data', Object.keys(added))
  return { ...parts, data: { ...parts.data, ...added } }
}

/** `parts` with the layer that runs `extractors`. */
export function addExtractors(parts: BuilderParts, extractors: ForgottenExtractors): BuilderParts {
  const layer = extract<never, never, never, ForgottenExtractors>(extractors)
  const names = Object.keys(extractors)
  refuseTaken(parts, 'extract', names)
  const added = addLayer(parts, layer)
  return { ...added, extracted: [...parts.extracted, ...names] }
}

/** `parts` with one more layer, inside those added before. */
export function addLayer(parts: BuilderParts, layer: ForgottenLayer): BuilderParts {
  const named = nameLayer(layer, 'layer')
  if (layer.boundsInFlight === true && parts.layers.some((other) => other.layer === named.layer)) {
    throw new OptionError(
      'layer',
      layer,
      `another layer than ${named.name}, which this worker has: a call would wait for itself`,
    )
  }
  return { ...parts, layers: [...parts.layers, named] }
}

/** The finished plan of a worker whose stack ends in `handler`. */
export function planOf(parts: BuilderParts, handler: RawService): WorkerPlan<unknown, unknown> {
  const { settings, backend, ...rest } = parts
  const middleware = backend.middleware?.()
  const outer = middleware === undefined ? [] : [nameLayer(middleware, 'middleware')]
  const bounded = [...outer, ...rest.layers].some(({ layer }) => layer.boundsInFlight)
  if (!bounded) outer.push(nameLayer(concurrency(DEFAULT_CONCURRENCY), 'concurrency'))
  return {
    ...settings,
    name: rest.name,
    // What a handler may return was checked against what the backend takes.
    backend: backend as Backend<unknown, unknown>,
    clock: settings.clock ?? backend.clock ?? systemClock,
    data: Object.freeze({ ...rest.data }),
    layers: [...outer, ...rest.layers],
    handler,
    listeners: rest.listeners,
    ackWith: rest.ackWith,
    ...(rest.onBackendError === undefined ? {} : { onBackendError: rest.onBackendError }),
  }
}

/** Extractors, whatever they need. */
type ForgottenExtractors = Extractors<never, never, never>

/** A layer, adding to the data or not, whatever it needs. */
export type ForgottenLayer = ((inner: never) => Service<never, unknown>) & LayerTraits

function nameLayer(layer: ForgottenLayer, otherwise: string): NamedLayer {
  func('layer', layer)
  const { layerName } = layer
  const name =
    layerName === undefined ? layer.name || otherwise : text('layer.layerName', layerName)
  // From here on nobody looks at what it needs any more.
  return { name, layer: layer as RawLayer }
}

function refuseTaken(parts: BuilderParts, option: string, names: readonly string[]): void {
  const taken = names.find((name) => name in parts.data || parts.extracted.includes(name))
  if (taken !== undefined) {
    throw new OptionError(option, taken, 'names that the data does not have yet')
  }
}
