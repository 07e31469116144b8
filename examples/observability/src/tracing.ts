// A task in the trace of what pushed it, and its retry in a trace of its own.
import * as otel from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

// What the SDK for Node does by itself.
const exporter = new InMemorySpanExporter()
const spanProcessors = [new SimpleSpanProcessor({ exporter })]
otel.trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors }))
otel.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

// #region example
import * as api from '@opentelemetry/api'
import { constant, json, MemoryStorage, tracing, WorkerBuilder } from '@apalis/core'

const tracer = api.trace.getTracer('mailer')
const traced = tracing(tracer, api)

const emails = new MemoryStorage().queue('emails', {
  args: json<{ to: string }>(),
  result: json<string>(),
  backoff: constant('10ms'),
  enrich: traced.enrich, // stores who pushes, with the task
})

const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .layer(traced) // first: what stands outside of it is not in the span
  .build(({ to }, { attempt }) =>
    tracer.startActiveSpan('connect', (span) => {
      span.end()
      if (attempt === 1) throw new Error('the server is down')
      return `sent to ${to}`
    }),
  )
// #endregion

const id = await tracer.startActiveSpan('POST /signup', async (span) => {
  const pushed = await emails.push({ to: 'ada@example.com' })
  span.end()
  return pushed
})
await worker.runUntil(emails.result(id))

const spans = exporter.getFinishedSpans()
const named = (spanId: string | undefined): string | undefined =>
  spans.find((span) => span.spanContext().spanId === spanId)?.name
for (const { name, attributes, parentSpanContext, links, events } of spans) {
  const outcome = attributes['apalis.task.outcome']
  console.log(...(outcome === undefined ? [name] : [name, outcome]))
  console.log(`  child of ${named(parentSpanContext?.spanId) ?? 'none'}`)
  for (const link of links) console.log(`  linked to ${named(link.context.spanId)}`)
  for (const event of events) console.log(`  ${event.name}`)
}

// Output:
// POST /signup
//   child of none
// connect
//   child of process emails
// process emails failed
//   child of POST /signup
//   exception
// connect
//   child of process emails
// process emails done
//   child of none
//   linked to POST /signup
