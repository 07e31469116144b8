import { acknowledge } from '../../layers/acknowledge.ts'
import { filter } from '../../layers/filter.ts'
import { longRunning, type Runner } from '../../layers/long-running.ts'
import { mapError } from '../../layers/map-error.ts'
import { mapRequest } from '../../layers/map-request.ts'
import { metrics } from '../../layers/metrics.ts'
import { optional } from '../../layers/optional.ts'
import { tap } from '../../layers/tap.ts'
import { timeout } from '../../layers/timeout.ts'
import { tracing } from '../../layers/tracing.ts'
import { asRun } from '../../service/request.ts'
import type { Layer, TaskRequest } from '../../service/service.ts'
import { use } from '../../service/use.ts'
import { sleep } from '../../time/clock.ts'
import { logging } from '../../worker/logging.ts'
import { silentApi, silentLogger, silentMeter, silentTracer } from './silent-telemetry.ts'
import type { SimulatedBuilder, SimulatedJob, StackTools } from './stacks.ts'

/** Adds a layer, or what a layer comes with. */
export type DrawnStep = (tools: StackTools) => (builder: SimulatedBuilder) => SimulatedBuilder

/** What core has beside the limits and the retries. Each fails now and then, and takes its time now and then. */
export const drawnSteps: Readonly<Record<string, DrawnStep>> = {
  // A stop waits for what this begins.
  acknowledge: ({ random }) => layered(acknowledge((_, request) => delay(random, request))),
  extract: ({ random }) => {
    // A builder takes a name once, and a stack has one of these.
    const found = (request: TaskRequest): unknown => trouble(random, request)
    return (builder) => builder.extract({ found })
  },
  filter:
    ({ random }) =>
    (builder) =>
      builder.layer(
        filter<SimulatedJob>(async (request) => {
          await trouble(random, request)
          const draw = random()
          if (draw < 0.04) return { release: 200 }
          if (draw < 0.05) return { kill: 'it is not wanted' }
          return draw < 0.5 ? { args: { ...request.task.args } } : true
        }),
      ),
  logging: ({ random }) => {
    const logged = logging(silentLogger(random))
    return (builder) => builder.with(logged)
  },
  longRunning:
    ({ random }) =>
    (builder) =>
      builder.provide(longRunning({ maxDuration: '1500ms' })).layer(spawning(random)),
  mapError: ({ random }) =>
    layered(mapError((error, request) => after(trouble(random, request), error))),
  mapRequest:
    ({ random }) =>
    (builder) =>
      builder.layer(
        mapRequest<SimulatedJob>((args, request) => after(trouble(random, request), { ...args })),
      ),
  mapResult:
    ({ random }) =>
    (builder) =>
      // It gives what it is given: the builder that it makes is of the same type, though that cannot be told.
      builder.mapResult((result: number, request) =>
        after(trouble(random, request), result),
      ) as unknown as SimulatedBuilder,
  metrics: ({ random }) => {
    const measured = metrics(silentMeter(random))
    return (builder) => measured(builder)
  },
  optional: ({ random }) => layered(optional(random() < 0.5 ? undefined : timeout('3s'))),
  passing: ({ random }) =>
    layered(
      use(async function passing(request, next) {
        await trouble(random, request)
        const passed = await next()
        await trouble(random, request)
        return passed
      }),
    ),
  tap: ({ random }) => {
    const look = (_: unknown, request: TaskRequest): unknown => trouble(random, request)
    return layered(
      tap({ request: (request) => trouble(random, request), result: look, error: look }),
    )
  },
  timeout: () => layered(timeout('1200ms', { grace: 300 })),
  tracing: ({ random }) => layered(tracing(silentTracer(random), silentApi(random))),
}

function layered(layer: Layer): (builder: SimulatedBuilder) => SimulatedBuilder {
  return (builder) => builder.layer(layer)
}

/** Nearly always nothing, at once; else it takes a while or throws, or never ends where somebody ends it then. */
function trouble(random: () => number, request: TaskRequest): Promise<void> | undefined {
  const bounded = request.task.parts.timeoutMs !== undefined
  return bounded && random() < 0.005 ? new Promise(() => {}) : delay(random, request)
}

/** Nearly always nothing, at once; else it takes a while or throws. */
function delay(random: () => number, request: TaskRequest): Promise<void> | undefined {
  const draw = random()
  if (draw < 0.02) throw new Error('it does not feel like it')
  return draw < 0.12 ? sleep(asRun(request).clock, Math.floor(draw * 3_000)) : undefined
}

function after<Value>(waiting: Promise<void> | undefined, value: Value): Value | Promise<Value> {
  return waiting === undefined ? value : waiting.then(() => value)
}

/** Starts work beside the handler: some is read, some fails, and some does not heed its signal. */
function spawning(random: () => number): Layer<SimulatedJob, { readonly runner: Runner }> {
  return use<SimulatedJob, { readonly runner: Runner }>(async function spawning(request, next) {
    const { clock } = asRun(request)
    const { runner } = request.data
    const channel = runner.channel<number>()
    const piece = (): ((signal: AbortSignal) => Promise<number>) => {
      const [ms, heeds, fails] = [Math.floor(random() * 900), random() < 0.8, random() < 0.1]
      return async (signal) => {
        await sleep(clock, ms, heeds ? { signal } : {})
        if (fails) throw new Error('the work has failed')
        return ms
      }
    }
    if (random() < 0.4) runner.execute(piece())
    for (let left = Math.floor(random() * 3); left > 0; left -= 1) channel.execute(piece())
    const passed = await next()
    if (random() < 0.5) for await (const outcome of channel) if (!outcome.ok) throw outcome.error
    return passed
  })
}
