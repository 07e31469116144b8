import * as api from '@opentelemetry/api'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import { pino } from 'pino'
import {
  acknowledge,
  type BoundWorkerBuilder,
  circuitBreaker,
  concurrency,
  constant,
  filter,
  type Layer,
  loadShed,
  logging,
  longRunning,
  mapError,
  mapRequest,
  optional,
  type QueueContext,
  rateLimit,
  retry,
  tap,
  timeout,
  tracing,
  turn,
  use,
} from '@apalis/core'

/** A builder as `Lab.run` gives it. */
type LabBuilder<Args> = BoundWorkerBuilder<Args, unknown, {}, QueueContext>

/** A step of a worker's builder that adds one layer. */
export interface Step {
  /** What `WorkerContext.layers` calls the layer. */
  readonly layerName: string
  readonly add: <Args>(builder: LabBuilder<Args>) => LabBuilder<Args>
}

function layer(layerName: string, make: () => Layer): Step {
  return { layerName, add: (builder) => builder.layer(make()) }
}

const tracer = new TracerProvider({ spanProcessors: [] }).getTracer('test')
const logger = pino({ level: 'silent' })

/** One of every layer, each with little to give; a line for a new one is all that the tests of pairs need. */
export const everyLayer: Readonly<Record<string, Step>> = {
  acknowledge: layer('acknowledge', () => acknowledge(() => turn())),
  circuitBreaker: layer('circuitBreaker', () => circuitBreaker({ failures: 2, recovery: '10s' })),
  concurrency: layer('concurrency', () => concurrency(2)),
  extract: {
    layerName: 'extract',
    add: (builder) => builder.extract({ [`found ${(found += 1)}`]: () => turn() }),
  },
  filter: layer('filter', () => filter(async () => true as const)),
  loadShed: layer('loadShed', () => loadShed()),
  logging: { layerName: 'logging', add: (builder) => builder.with(logging(logger)) },
  longRunning: { layerName: 'longRunning', add: (builder) => builder.provide(longRunning()) },
  mapError: layer('mapError', () => mapError(async (error) => error)),
  mapRequest: {
    layerName: 'mapRequest',
    add: (builder) => builder.layer(mapRequest(async (args) => args)),
  },
  mapResult: {
    layerName: 'mapResult',
    // It gives what it is given: the builder that it makes is of the same type, though that cannot be told.
    add: <Args>(builder: LabBuilder<Args>) =>
      builder.mapResult(async (result: unknown) => result) as unknown as LabBuilder<Args>,
  },
  optional: layer('timeout', () => optional(timeout('5s'))),
  rateLimit: layer('rateLimit', () => rateLimit({ limit: 2, per: '1s', burst: 2 })),
  retry: layer('retry', () => retry({ times: 2, backoff: constant(100) })),
  tap: layer('tap', () => tap({ request: () => {}, result: () => {}, error: () => {} })),
  timeout: layer('timeout', () => timeout('5s')),
  tracing: layer('tracing', () => tracing(tracer, api)),
  use: layer('waits', () =>
    use(async function waits(_, next) {
      await turn()
      return await next()
    }),
  ),
}

/** A builder takes a name of an extractor once. */
let found = 0
