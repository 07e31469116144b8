import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { pino } from 'pino'
import { type DiagnosticMessages, logging, metrics, queueGauges, tracing } from '@apalis/core'
import { Lab } from './lab.ts'

const done = { status: 'done', attempt: 1, releases: 0 }
const killed = (failures: readonly string[]) => ({
  status: 'killed',
  attempt: 2,
  releases: 0,
  failures,
})

/** Fails at `bad`. */
function handler(args: string): void {
  if (args === 'bad') throw new Error('broken')
}

test('tracing: the context is in the row from the push on, and each run is a span', async () => {
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor({ exporter })]
  const tracer = new TracerProvider({ spanProcessors }).getTracer('test')
  const traced = tracing(tracer, api)
  await using lab = new Lab()
  const queue = await lab.queue<string>({ attempts: 2, enrich: traced.enrich })
  const pushing = tracer.startSpan('request')
  const { traceId, spanId } = pushing.spanContext()
  const ids = await api.context.with(api.trace.setSpan(api.ROOT_CONTEXT, pushing), () =>
    queue.pushBulk(['good', 'bad']),
  )
  for (const id of ids) {
    const task = await queue.fetchById(id)
    assert.deepEqual(task?.parts.metadata, { traceparent: `00-${traceId}-${spanId}-01` })
  }
  lab.run(queue, (worker) => worker.layer(traced).build(handler))
  await lab.clock.advance('1s')
  assert.deepEqual(lab.tasks(), [done, killed(['broken', 'broken'])])
  const runs = exporter
    .getFinishedSpans()
    .map((span) => [
      span.attributes['messaging.message.id'],
      span.attributes['apalis.task.outcome'],
      span.parentSpanContext?.spanId,
      span.links.map(({ context }) => context.spanId),
    ])
  assert.deepEqual(runs, [
    [ids[0], 'done', spanId, []],
    [ids[1], 'failed', spanId, []],
    [ids[1], 'killed', undefined, [spanId]],
  ])
})

test('metrics: what is counted is what stands in the database', async () => {
  class Reader extends MetricReader {
    protected override async onForceFlush(): Promise<void> {}
    protected override async onShutdown(): Promise<void> {}
  }
  const reader = new Reader()
  const meter = new MeterProvider({ readers: [reader] }).getMeter('test')
  const read = async (name: string, label: string): Promise<object> => {
    const { resourceMetrics } = await reader.collect()
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
    const points = all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
    return Object.fromEntries(points.map(({ attributes, value }) => [attributes[label], value]))
  }
  await using lab = new Lab()
  const queue = await lab.queue<string>({ attempts: 2 })
  queueGauges(meter, [queue])
  await queue.pushBulk(['good', 'bad', 'good'])
  await lab.clock.advance('10s')
  assert.deepEqual(await read('apalis.queue.oldest_due.age', 'messaging.destination.name'), {
    work: 10,
  })
  lab.run(queue, (worker) => worker.with(metrics(meter)).build(handler))
  await lab.clock.advance('1s')
  assert.deepEqual(await read('messaging.client.consumed.messages', 'apalis.task.outcome'), {
    done: 2,
    failed: 1,
    killed: 1,
  })
  const depth = { pending: 0, running: 0, failed: 0, done: 2, killed: 1 }
  assert.deepEqual(await read('apalis.queue.tasks', 'apalis.task.status'), depth)
  assert.deepEqual(lab.counts(), { done: 2, killed: 1 })
})

test('logging: a line for each outcome, written when it is in the database', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<string>({ attempts: 2 })
  const [good, bad] = await queue.pushBulk(['good', 'bad'])
  const lines: unknown[][] = []
  const write = (text: string): void => {
    const line = JSON.parse(text) as { msg: string; taskId?: string; attempt?: number }
    const index = line.taskId === good ? 0 : 1
    if (line.taskId !== undefined) {
      lines.push([line.msg, line.taskId, line.attempt, lab.tasks()[index]?.status])
    }
  }
  const log = pino({ level: 'debug', base: null }, { write })
  lab.run(queue, (worker) =>
    worker.with(logging(log)).build((args, { data }) => {
      data.log.info('running')
      handler(args)
    }),
  )
  await lab.clock.advance('1s')
  assert.deepEqual(lines, [
    ['task started', good, 1, 'running'],
    ['running', good, 1, 'running'],
    ['task started', bad, 1, 'running'],
    ['running', bad, 1, 'running'],
    ['task done', good, 1, 'done'],
    ['task failed', bad, 1, 'failed'],
    ['task started', bad, 2, 'running'],
    ['running', bad, 2, 'running'],
    ['task killed', bad, 2, 'killed'],
  ])
})

test('channels: every statement that changes the database is told', async () => {
  const told: unknown[] = []
  const heard = {
    'apalis:push': ({ ids }: DiagnosticMessages['apalis:push']) => told.push(['push', ids]),
    'apalis:claim': ({ ids }: DiagnosticMessages['apalis:claim']) =>
      ids.length > 0 && told.push(['claim', ids]),
    'apalis:settle': ({ tasks }: DiagnosticMessages['apalis:settle']) =>
      told.push(['settle', tasks.map(({ outcome, answer }) => `${outcome} ${String(answer)}`)]),
  }
  // Only the library publishes there, and says what.
  const listeners = Object.entries(heard) as [string, (message: unknown) => void][]
  for (const [name, listener] of listeners) subscribe(name, listener)
  try {
    await using lab = new Lab()
    const queue = await lab.queue<string>({ attempts: 2 })
    const ids = await queue.pushBulk(['good', 'bad'])
    lab.run(queue, (worker) => worker.build(handler))
    await lab.clock.advance('1s')
    assert.deepEqual(told, [
      ['push', ids],
      ['claim', ids],
      ['settle', ['done applied', 'failed applied']],
      ['claim', [ids[1]]],
      ['settle', ['killed applied']],
    ])
    assert.deepEqual(lab.tasks(), [done, killed(['broken', 'broken'])])
  } finally {
    for (const [name, listener] of listeners) unsubscribe(name, listener)
  }
})
