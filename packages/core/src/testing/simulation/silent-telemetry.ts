import type { TaskMeter } from '../../layers/metrics.ts'
import type { TaskTracer, TraceApi, TraceSpan } from '../../layers/tracing.ts'
import type { TaskLogger } from '../../worker/logging.ts'

// Tracers, meters and loggers that tell nobody, and throw now and then: none of that is to be seen in what becomes of tasks.

function fails(random: () => number): void {
  if (random() < 0.03) throw new Error('nobody hears this')
}

/** A logger of pino's kind. */
export function silentLogger(random: () => number): TaskLogger {
  const line = (): void => fails(random)
  const logger: TaskLogger = {
    debug: line,
    info: line,
    warn: line,
    error: line,
    child: () => {
      fails(random)
      return logger
    },
  }
  return logger
}

/** A meter of OpenTelemetry's kind. */
export function silentMeter(random: () => number): TaskMeter {
  return {
    createCounter: () => ({ add: () => fails(random) }),
    createHistogram: () => ({ record: () => fails(random) }),
  }
}

const context = { getValue: () => undefined }

function silentSpan(random: () => number): TraceSpan {
  const call = (): void => fails(random)
  return {
    spanContext: () => ({ traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 1 }),
    setAttributes: call,
    setStatus: call,
    recordException: call,
    end: call,
  }
}

/** A tracer of OpenTelemetry's kind. */
export function silentTracer(random: () => number): TaskTracer {
  return {
    startSpan: () => {
      fails(random)
      return silentSpan(random)
    },
  }
}

/** A module of OpenTelemetry's kind. */
export function silentApi(random: () => number): TraceApi {
  return {
    ROOT_CONTEXT: context,
    createTraceState: () => ({ serialize: () => '' }),
    context: {
      with: (_, fn) => {
        fails(random)
        const value = fn()
        fails(random)
        return value
      },
    },
    trace: {
      getActiveSpan: () => undefined,
      setSpan: () => {
        fails(random)
        return context
      },
      setSpanContext: () => context,
    },
  }
}
