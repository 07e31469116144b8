import { OptionError } from '../internal/validate.ts'
import type { Metrics, QueueMetrics } from '../storage/capabilities.ts'
import { MESSAGING, type TelemetryAttributes } from './telemetry.ts'
import type { InstrumentOptions } from './metrics.ts'

/** A queue whose numbers {@link queueGauges} shows. */
export interface MeteredQueue extends Metrics {
  readonly name: string
}

/** OpenTelemetry's `Observable`: handed on, never looked into. */
export interface QueueGauge {
  addCallback: unknown
}

/** The part of OpenTelemetry's `BatchObservableResult` that we need. */
export interface GaugeReadings {
  observe(gauge: QueueGauge, value: number, attributes?: TelemetryAttributes): void
}

/** Takes one reading. */
export type ReadGauges = (readings: GaugeReadings) => Promise<void>

/** The part of OpenTelemetry's `Meter` that we need. */
export interface QueueMeter {
  createObservableGauge(name: string, options?: InstrumentOptions): QueueGauge
  addBatchObservableCallback(callback: ReadGauges, gauges: QueueGauge[]): void
  removeBatchObservableCallback(callback: ReadGauges, gauges: QueueGauge[]): void
}

const STATUSES = ['pending', 'running', 'failed', 'done', 'killed'] as const

/**
 * Shows the depth of queues and the age of the longest waiting task as observable gauges: `apalis.queue.tasks` by status,
 * `apalis.queue.due`, `apalis.queue.oldest_due.age`. Each reading asks each queue once, however many readers collect at
 * that time, and each call ends within the storage's `callTimeout`; a queue that cannot answer is missing from that reading,
 * and the collection reports the error. The numbers are those of the storage: let one process read them. The answer takes
 * the gauges off.
 */
export function queueGauges(meter: QueueMeter, queues: readonly MeteredQueue[]): () => void {
  if (typeof meter?.addBatchObservableCallback !== 'function') {
    throw new OptionError('queueGauges', meter, 'a meter of OpenTelemetry')
  }
  if (!Array.isArray(queues) || queues.some((queue) => typeof queue?.metrics !== 'function')) {
    throw new OptionError('queueGauges', queues, 'an array of queues as the second argument')
  }
  const tasks = meter.createObservableGauge('apalis.queue.tasks', {
    unit: '{task}',
    description: 'Tasks in the queue, by status.',
  })
  const due = meter.createObservableGauge('apalis.queue.due', {
    unit: '{task}',
    description: 'Tasks that are due and not claimed.',
  })
  const age = meter.createObservableGauge('apalis.queue.oldest_due.age', {
    unit: 's',
    description: 'How long ago the longest waiting of the due tasks became due; 0 where none is.',
  })
  const gauges = [tasks, due, age]
  // One callback a queue: what one of them fails with is not the others' affair.
  const callbacks = queues.map((queue): ReadGauges => {
    const read = shared(queue)
    return async (readings) => {
      const counts = await read()
      const labels = { 'messaging.system': MESSAGING, 'messaging.destination.name': queue.name }
      for (const status of STATUSES) {
        readings.observe(tasks, counts[status], { ...labels, 'apalis.task.status': status })
      }
      readings.observe(due, counts.due, labels)
      readings.observe(age, (counts.oldestDueMs ?? 0) / 1_000, labels)
    }
  })
  for (const callback of callbacks) meter.addBatchObservableCallback(callback, gauges)
  return () => {
    for (const callback of callbacks) meter.removeBatchObservableCallback(callback, gauges)
  }
}

/** Asks for the numbers, once at a time. */
function shared(queue: MeteredQueue): () => Promise<QueueMetrics> {
  let asking: Promise<QueueMetrics> | undefined
  return () => {
    asking ??= queue.metrics().finally(() => {
      asking = undefined
    })
    return asking
  }
}
