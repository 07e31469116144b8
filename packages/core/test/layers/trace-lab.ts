import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'

api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

/** A real tracer of OpenTelemetry, and the spans that it has ended. */
export function traceLab() {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  const tracer = provider.getTracer('test')
  return {
    tracer,
    /** In the order they ended. */
    get spans(): ReadableSpan[] {
      return exporter.getFinishedSpans()
    },
    named: (name: string): ReadableSpan[] =>
      exporter.getFinishedSpans().filter((span) => span.name === name),
    /** Runs `fn` in a span of that name, and gives back what it gave, and the span's context. */
    async within<Value>(
      name: string,
      fn: () => Promise<Value>,
    ): Promise<{ readonly value: Value; readonly spanContext: api.SpanContext }> {
      return tracer.startActiveSpan(name, async (span) => {
        try {
          return { value: await fn(), spanContext: span.spanContext() }
        } finally {
          span.end()
        }
      })
    },
  }
}
