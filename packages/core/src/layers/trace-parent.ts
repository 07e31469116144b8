/** The part of OpenTelemetry's `SpanContext` that we need: which span it was. */
export interface TraceSpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  readonly isRemote?: boolean
  readonly traceState?: TraceState
}

/** The part of OpenTelemetry's `TraceState` that we need. */
export interface TraceState {
  serialize(): string
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** A span context as W3C's `traceparent`; undefined for one that is none: all zeros. */
export function traceparentOf({
  traceId,
  spanId,
  traceFlags,
}: TraceSpanContext): string | undefined {
  const traceparent = `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`
  return parseTraceparent(traceparent) === undefined ? undefined : traceparent
}

/** The span context in a `traceparent`; undefined for whatever is none. Of a later version the first four parts count. */
export function parseTraceparent(traceparent: unknown): TraceSpanContext | undefined {
  if (typeof traceparent !== 'string') return undefined
  const [, version, traceId = '', spanId = '', flags = '', more] =
    TRACEPARENT.exec(traceparent) ?? []
  if (version === undefined || version === 'ff') return undefined
  if (version === '00' && more !== undefined) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
}
