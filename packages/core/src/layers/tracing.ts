import { toStoredError } from '../errors/stored-error.ts'
import { OptionError } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { asRun, type RunEnd } from '../service/request.ts'
import type { Layer, TaskRequest } from '../service/service.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { Enrich } from '../storage/enrichment.ts'
import type { Metadata } from '../task/metadata.ts'
import { errorType, MESSAGING, type TelemetryAttributes } from './telemetry.ts'
import { tell } from './tell.ts'
import {
  parseTraceparent,
  traceparentOf,
  type TraceSpanContext,
  type TraceState,
} from './trace-parent.ts'

/** The part of OpenTelemetry's `Span` that we need. */
export interface TraceSpan {
  spanContext(): TraceSpanContext
  setAttributes(attributes: TelemetryAttributes): unknown
  setStatus(status: { code: 2; message: string }): unknown
  recordException(exception: { name: string; message: string; stack?: string }): unknown
  end(): void
}

/** The part of OpenTelemetry's `SpanOptions` that we need. */
export interface TraceSpanOptions {
  readonly kind?: number
  readonly root?: boolean
  readonly attributes?: object
  readonly links?: readonly { readonly context: TraceSpanContext }[]
}

/** The part of OpenTelemetry's `Tracer` that we need. */
export interface TaskTracer {
  startSpan(name: string, options?: TraceSpanOptions, context?: TraceContext): TraceSpan
}

/** OpenTelemetry's `Context`: handed on, never looked into. */
export interface TraceContext {
  getValue(key: symbol): unknown
}

/** The part of the module `@opentelemetry/api` that we need. */
export interface TraceApi {
  readonly ROOT_CONTEXT: TraceContext
  createTraceState(text: string): TraceState
  readonly context: { with<Value>(context: TraceContext, fn: () => Value): Value }
  readonly trace: {
    getActiveSpan(): TraceSpan | undefined
    setSpan(context: TraceContext, span: TraceSpan): TraceContext
    setSpanContext(context: TraceContext, spanContext: TraceSpanContext): TraceContext
  }
}

/** A {@link tracing} layer. */
export interface TracingLayer extends Layer {
  /** For a queue's or storage's `enrich`: stores with each push which span pushed it, as W3C trace context. */
  readonly enrich: Enrich
}

/** OpenTelemetry's `SpanKind.CONSUMER` and `SpanStatusCode.ERROR`. */
const CONSUMER = 4
const ERROR = 2

/**
 * A span for each run of a task, active in everything inside, so that spans made there are its children. The first run is a
 * child of the span that pushed the task, if `enrich` has stored that; a retry begins a trace of its own, with a link to it.
 * The span ends when the outcome of the run is decided, and says it; failed and killed runs are errors, with the exception.
 * A tracer that throws costs the span and is told as an `error` event with the operation `tracing`. `api` is the module
 * `@opentelemetry/api`. Add it first: what stands outside is not in the span. apalis's `OpenTelemetryLayer` and
 * `TracingContext`.
 */
export function tracing(tracer: TaskTracer, api: TraceApi): TracingLayer {
  if (typeof tracer?.startSpan !== 'function') {
    throw new OptionError('tracing', tracer, 'a tracer of OpenTelemetry')
  }
  for (const part of ['trace', 'context', 'ROOT_CONTEXT', 'createTraceState'] as const) {
    if (api?.[part] === undefined) {
      throw new OptionError('tracing', api, 'the module @opentelemetry/api as the second argument')
    }
  }
  const layer: Layer = (inner) =>
    around(inner, (request) => {
      let context: TraceContext | undefined
      void tell(request.worker, 'tracing', () => {
        context = enter(tracer, api, request)
      })
      const call = () => inner.call(request)
      return context === undefined ? call() : active(api, context, request.worker, call)
    })
  return Object.assign(ownLayer(layer, { layerName: 'tracing' }), { enrich: () => producer(api) })
}

/** What `inside` ends with, called once with `context` active: also when that cannot be made active, or throws behind it. */
function active<Res>(
  api: TraceApi,
  context: TraceContext,
  worker: WorkerContext,
  inside: () => Res,
): Res {
  let end: (() => Res) | undefined
  void tell(worker, 'tracing', () => {
    api.context.with(context, () => {
      end = ended(inside)
    })
  })
  return (end ?? ended(inside))()
}

/** Calls `inside`, and gives what ends as that did. */
function ended<Res>(inside: () => Res): () => Res {
  try {
    const result = inside()
    return () => result
  } catch (error) {
    return () => {
      throw error
    }
  }
}

/** The context of what pushes, as metadata. */
function producer({ trace }: TraceApi): Metadata {
  const spanContext = trace.getActiveSpan()?.spanContext()
  const traceparent = spanContext && traceparentOf(spanContext)
  if (traceparent === undefined) return {}
  const tracestate = spanContext?.traceState?.serialize()
  return tracestate ? { traceparent, tracestate } : { traceparent }
}

/** Starts the span of a run, and gives the context in which it is active. */
function enter(tracer: TaskTracer, api: TraceApi, request: TaskRequest): TraceContext {
  const { trace, ROOT_CONTEXT } = api
  const pushed = pushedBy(request.metadata, api)
  const isChild = pushed !== undefined && request.attempt === 1
  const { queue, name } = request.worker
  const span = tracer.startSpan(
    `process ${queue}`,
    {
      kind: CONSUMER,
      // Never under whatever span happens to be active where the worker runs.
      root: !isChild,
      links: pushed === undefined || isChild ? [] : [{ context: pushed }],
      attributes: {
        'messaging.system': MESSAGING,
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': queue,
        'messaging.message.id': request.id,
        'apalis.worker.name': name,
        'apalis.task.attempt': request.attempt,
      },
    },
    isChild ? trace.setSpanContext(ROOT_CONTEXT, pushed) : ROOT_CONTEXT,
  )
  asRun(request).observer.onEnd((end) => {
    void tell(request.worker, 'tracing', () => leave(span, end))
  })
  return trace.setSpan(ROOT_CONTEXT, span)
}

function pushedBy(metadata: Metadata, api: TraceApi): TraceSpanContext | undefined {
  const spanContext = parseTraceparent(metadata['traceparent'])
  const tracestate = metadata['tracestate']
  if (spanContext === undefined || typeof tracestate !== 'string') return spanContext
  return { ...spanContext, traceState: api.createTraceState(tracestate) }
}

function leave(span: TraceSpan, { outcome, error }: RunEnd): void {
  span.setAttributes({ 'apalis.task.outcome': outcome })
  if (error !== undefined) {
    span.setAttributes({ 'error.type': errorType(error) })
    if (outcome === 'failed' || outcome === 'killed') {
      const { name, message, stack } = toStoredError(error)
      span.recordException({ name, message, ...(stack !== undefined && { stack }) })
      span.setStatus({ code: ERROR, message })
    }
  }
  span.end()
}
