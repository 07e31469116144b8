import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as api from '@opentelemetry/api'
import { AbortError, RetryAfterError } from '../../src/errors/task-errors.ts'
import { tracing } from '../../src/layers/tracing.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { constant } from '../../src/task/backoff.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestContext } from '../../src/testing/test-context.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { turn } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { traceLab } from './trace-lab.ts'

const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }
const traceparent = `00-${parent.traceId}-${parent.spanId}-01`

/** A worker under a tracer, on a queue whose pushes are traced. */
function lab(handler: (args: string, request: TaskRequest) => unknown) {
  const clock = new TestClock()
  const traces = traceLab()
  const traced = tracing(traces.tracer, api)
  const tasks = new MemoryStorage({ clock }).queue<string>('work', {
    attempts: 2,
    backoff: constant('1m'),
    enrich: traced.enrich,
  })
  const worker = new WorkerBuilder('w').backend(tasks).layer(traced).build(handler)
  return { clock, traces, tasks, worker }
}

/** One call of the layer, with an inside that the test plays. */
async function call(metadata: Record<string, string>, attempt = 1) {
  const traces = traceLab()
  const mock = mockService<TaskRequest<string>, string>()
  const request = testRequest('args', { metadata, attempt })
  const result = Promise.resolve(tracing(traces.tracer, api)(mock.service).call(request))
  result.catch(() => {})
  const inside = await mock.request()
  const end = (): void => {
    inside.respond('done')
    request.end({ outcome: 'done' })
  }
  return { traces, request, inside, result, end }
}

test('the first run is a child of the span that pushed the task, and its spans are its children', async () => {
  const { clock, traces, tasks, worker } = lab(() => traces.within('query', () => turn()))
  const { value: id, spanContext } = await traces.within('request', () => tasks.push('args'))
  const running = worker.run()
  await clock.settle()
  const [span] = traces.named('process work')
  const [query] = traces.named('query')
  assert.ok(span && query)
  assert.equal(span.parentSpanContext?.spanId, spanContext.spanId)
  assert.equal(span.spanContext().traceId, spanContext.traceId)
  assert.equal(span.kind, api.SpanKind.CONSUMER)
  assert.deepEqual(span.links, [])
  assert.equal(span.status.code, api.SpanStatusCode.UNSET)
  assert.deepEqual(span.attributes, {
    'messaging.system': 'apalis',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': 'work',
    'messaging.message.id': id,
    'apalis.worker.name': 'w',
    'apalis.task.attempt': 1,
    'apalis.task.outcome': 'done',
  })
  assert.equal(query.parentSpanContext?.spanId, span.spanContext().spanId)
  worker.stop()
  await running
})

test('a retry begins a trace of its own, with a link to what pushed the task and to nothing else', async () => {
  const { clock, traces, tasks, worker } = lab(() => {
    throw new Error('failed')
  })
  const { spanContext } = await traces.within('request', () => tasks.push('args'))
  // A worker that is started under a span is not a part of it.
  const { value: running } = await traces.within('start', async () => ({ run: worker.run() }))
  await clock.advance('1m')
  const [first, second] = traces.named('process work')
  assert.ok(first && second)
  assert.equal(first.spanContext().traceId, spanContext.traceId)
  assert.equal(second.parentSpanContext, undefined)
  assert.equal(second.attributes['apalis.task.attempt'], 2)
  assert.deepEqual(
    second.links.map(({ context }) => [context.traceId, context.spanId]),
    [[spanContext.traceId, spanContext.spanId]],
  )
  const traceIds = new Set(traces.spans.map((span) => span.spanContext().traceId))
  assert.equal(traceIds.size, 3)
  worker.stop()
  await running.run
})

test('a failed run is an error with its exception, and so is a killed one', async () => {
  const { clock, traces, tasks, worker } = lab((args) => {
    throw args === 'aborts' ? new AbortError('hopeless') : new TypeError('broken')
  })
  const running = worker.run()
  await tasks.push('fails')
  await clock.settle()
  await tasks.push('aborts')
  await clock.settle()
  const told = traces.spans.map(({ status, attributes, events: [event] }) => [
    status,
    attributes['apalis.task.outcome'],
    attributes['error.type'],
    event?.name,
    event?.attributes?.['exception.type'],
    event?.attributes?.['exception.message'],
  ])
  const code = api.SpanStatusCode.ERROR
  assert.deepEqual(told, [
    [{ code, message: 'broken' }, 'failed', 'TypeError', 'exception', 'TypeError', 'broken'],
    [
      { code, message: 'hopeless' },
      'killed',
      'ERR_TASK_ABORT',
      'exception',
      'AbortError',
      'hopeless',
    ],
  ])
  worker.stop()
  await running
})

test('what is given back, or taken away, is no error', async () => {
  const { clock, traces, tasks, worker } = lab((args) => {
    if (args === 'hangs') return new Promise(() => {})
    throw new RetryAfterError('not now', '5m', { countAttempt: false })
  })
  const running = worker.run()
  await tasks.push('snoozes')
  await clock.settle()
  const id = await tasks.push('hangs')
  await clock.settle()
  await tasks.kill(id)
  await clock.advance('1s')
  assert.deepEqual(
    traces.spans.map(({ status, attributes, events }) => [
      status.code,
      attributes['apalis.task.outcome'],
      attributes['error.type'],
      events.length,
    ]),
    [
      [api.SpanStatusCode.UNSET, 'released', 'ERR_TASK_RETRY_AFTER', 0],
      [api.SpanStatusCode.UNSET, 'lost', 'ERR_TASK_KILLED', 0],
    ],
  )
  worker.stop()
  await running
})

test('what nobody pushed under a span begins a trace of its own, whatever its metadata says', async () => {
  const zeros = '0'.repeat(32)
  const useless = [
    undefined,
    '',
    'nonsense',
    traceparent.toUpperCase(),
    `00-${zeros}-${parent.spanId}-01`,
    `00-${parent.traceId}-${zeros.slice(16)}-01`,
    `ff-${parent.traceId}-${parent.spanId}-01`,
    `${traceparent}-more`,
  ]
  for (const given of useless) {
    const { traces, end } = await call(given === undefined ? {} : { traceparent: given })
    end()
    const [span] = traces.spans
    assert.equal(span?.parentSpanContext, undefined, String(given))
    assert.deepEqual(span?.links, [])
  }
})

test('a trace context of W3C goes through the metadata whole: flags, state, later versions', async () => {
  const { traces, end } = await call({
    traceparent: `01-${parent.traceId}-${parent.spanId}-03-more`,
    tracestate: 'vendor=value',
  })
  end()
  const [span] = traces.spans
  assert.equal(span?.parentSpanContext?.traceFlags, 3)
  assert.equal(span?.parentSpanContext?.isRemote, true)
  assert.equal(span?.spanContext().traceState?.serialize(), 'vendor=value')

  const { tracer } = traceLab()
  const { enrich } = tracing(tracer, api)
  const state = api.createTraceState('vendor=value')
  const pushing = { ...parent, traceFlags: 0, traceState: state }
  const active = api.trace.setSpanContext(api.ROOT_CONTEXT, pushing)
  assert.deepEqual(api.context.with(active, enrich), {
    traceparent: `00-${parent.traceId}-${parent.spanId}-00`,
    tracestate: 'vendor=value',
  })
  assert.deepEqual(api.context.with(api.ROOT_CONTEXT, enrich), {})
  const invalid = api.trace.setSpanContext(api.ROOT_CONTEXT, api.INVALID_SPAN_CONTEXT)
  assert.deepEqual(api.context.with(invalid, enrich), {})
})

test('the span is active in everything inside, and ends with the outcome, not with the call', async () => {
  const { traces, request, inside, result } = await call({ traceparent })
  inside.respond('done')
  assert.equal(await result, 'done')
  assert.equal(traces.spans.length, 0)
  request.end({ outcome: 'failed', error: 'a text' })
  const [span] = traces.spans
  assert.equal(span?.status.message, 'a text')
  assert.equal(span?.attributes['error.type'], 'NonError')
  let active: api.SpanContext | undefined
  const layer = tracing(traces.tracer, api)
  const service = layer({
    call() {
      active = api.trace.getActiveSpan()?.spanContext()
      return 5
    },
    capacity: () => 3,
  })
  // What is synchronous stays synchronous.
  assert.equal(service.call(testRequest('', { metadata: { traceparent } })), 5)
  assert.equal(active?.traceId, parent.traceId)
  assert.equal(service.capacity?.(), 3)
})

test('a tracer that throws costs the span and not the run', async () => {
  const failure = new Error('tracer')
  const worker = new TestContext()
  const broken = {
    startSpan() {
      throw failure
    },
  }
  const service = tracing(broken, api)({ call: () => 5 })
  assert.equal(service.call(testRequest('', { worker })), 5)
  assert.deepEqual(worker.events, [{ type: 'error', operation: 'tracing', error: failure }])
})

test('a context manager that throws, before or after, costs no run either', () => {
  const { tracer } = traceLab()
  const failure = new Error('context')
  for (const before of [true, false]) {
    const worker = new TestContext()
    const broken = {
      ...api,
      context: {
        with<Value>(_: api.Context, fn: () => Value): Value {
          if (!before) fn()
          throw failure
        },
      },
    }
    let calls = 0
    const service = tracing(tracer, broken)({ call: () => (calls += 1) })
    assert.equal(service.call(testRequest('', { worker })), 1)
    assert.equal(calls, 1)
    assert.deepEqual(worker.events, [{ type: 'error', operation: 'tracing', error: failure }])
  }
})

test('refuses what is no tracer, and a tracer without its module', () => {
  const { tracer } = traceLab()
  // @ts-expect-error it is no tracer
  assert.throws(() => tracing({}, api), { code: 'ERR_OPTION', option: 'tracing' })
  // @ts-expect-error the module is missing
  assert.throws(() => tracing(tracer), { code: 'ERR_OPTION', option: 'tracing' })
})
