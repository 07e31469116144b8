// What a worker does and how full its queue is, as OpenTelemetry's metrics.
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { metrics as otel } from '@opentelemetry/api'

/** Collects when it is told to; yours is a PeriodicExportingMetricReader with an exporter. */
class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}
const reader = new Reader()
otel.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))

// #region example
import * as api from '@opentelemetry/api'
import { MemoryStorage, metrics, queueGauges, WorkerBuilder } from '@apalis/core'

const meter = api.metrics.getMeter('mailer')
const storage = new MemoryStorage()
const emails = storage.queue<{ to: string }>('emails', { attempts: 1 })
const off = queueGauges(meter, [emails]) // in one process

const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .with(metrics(meter))
  .build(({ to }) => {
    if (to === '') throw new Error('no address')
  })
// #endregion

await emails.pushBulk([{ to: 'ada@example.com' }, { to: '' }, { to: 'grace@example.com' }])
await emails.push({ to: 'ada@example.com' }, { delay: '1d' })

let ended = 0
worker.listen((event) => {
  if (event.type === 'success' || event.type === 'error') ended += 1
  if (ended === 3) worker.stop()
})
await worker.run()

const { resourceMetrics } = await reader.collect()
const shown = [
  'messaging.client.consumed.messages',
  'apalis.task.attempts',
  'apalis.queue.tasks',
  'apalis.queue.due',
]
for (const { descriptor, dataPoints } of resourceMetrics.scopeMetrics.flatMap((s) => s.metrics)) {
  if (!shown.includes(descriptor.name)) continue
  console.log(descriptor.name)
  for (const { attributes, value } of dataPoints) {
    const label = attributes['apalis.task.outcome'] ?? attributes['apalis.task.status'] ?? 'all'
    console.log(' ', label, typeof value === 'number' ? value : value.count)
  }
}
off()

// Output:
// apalis.queue.tasks
//   pending 1
//   running 0
//   failed 0
//   done 2
//   killed 1
// apalis.queue.due
//   all 0
// messaging.client.consumed.messages
//   done 2
//   killed 1
// apalis.task.attempts
//   done 2
//   killed 1
