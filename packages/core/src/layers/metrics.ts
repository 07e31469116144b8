import { OptionError } from '../internal/validate.ts'
import type { EngageEvent, Event, EventTask } from '../service/events.ts'
import type { QueueContext } from '../task/task.ts'
import type { ListeningBuilder } from './event-listener.ts'
import { errorType, MESSAGING, type TelemetryAttributes } from './telemetry.ts'

/** The part of OpenTelemetry's `MetricOptions` that we need. */
export interface InstrumentOptions {
  readonly description?: string
  readonly unit?: string
  readonly advice?: { readonly explicitBucketBoundaries?: number[] }
}

/** The part of OpenTelemetry's `Meter` that we need. */
export interface TaskMeter {
  createCounter(
    name: string,
    options?: InstrumentOptions,
  ): { add(value: number, attributes?: TelemetryAttributes): void }
  createHistogram(
    name: string,
    options?: InstrumentOptions,
  ): { record(value: number, attributes?: TelemetryAttributes): void }
}

/** In seconds. */
const DURATIONS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 120, 300, 600,
]
const ATTEMPTS: readonly number[] = [1, 2, 3, 4, 5, 7, 10, 15, 25, 50]

/**
 * Measures what a worker does, as an extension of its builder or of a monitor: `.with(metrics(meter))`,
 * `metrics(meter)(monitor)`. `meter`: one of OpenTelemetry. What it counts has happened: outcomes are durable. One call may
 * serve any number of workers: `messaging.destination.name` is the queue, `apalis.worker.name` the worker. The instruments
 * are listed in the guide to observability.
 */
export function metrics(
  meter: TaskMeter,
): <Builder>(builder: ListeningBuilder<unknown, unknown, Builder>) => Builder {
  if (typeof meter?.createHistogram !== 'function' || typeof meter.createCounter !== 'function') {
    throw new OptionError('metrics', meter, 'a meter of OpenTelemetry')
  }
  const instruments = new Instruments(meter)
  return (builder) => builder.onEvent((event) => instruments.take(event))
}

class Instruments {
  readonly #consumed
  readonly #duration
  readonly #queueWait
  readonly #layerWait
  readonly #attempts
  readonly #lost
  readonly #leaked
  readonly #errors
  readonly #dropped

  constructor(meter: TaskMeter) {
    const counter = (name: string, unit: string, description: string) =>
      meter.createCounter(name, { unit, description })
    const histogram = (
      name: string,
      unit: string,
      description: string,
      boundaries: readonly number[],
    ) =>
      meter.createHistogram(name, {
        unit,
        description,
        advice: { explicitBucketBoundaries: [...boundaries] },
      })
    this.#consumed = counter(
      'messaging.client.consumed.messages',
      '{message}',
      'Runs of tasks that have ended, by outcome.',
    )
    this.#duration = histogram(
      'messaging.process.duration',
      's',
      'From the start of a run to its end, layers included.',
      DURATIONS,
    )
    this.#queueWait = histogram(
      'apalis.task.queue_wait.duration',
      's',
      'From the time when a task was due to its claim, by the clock of the storage.',
      DURATIONS,
    )
    this.#layerWait = histogram(
      'apalis.task.layer_wait.duration',
      's',
      'From the start of a run to the start of its handler.',
      DURATIONS,
    )
    this.#attempts = histogram(
      'apalis.task.attempts',
      '{attempt}',
      'Attempts that a task had used when it was done or killed.',
      ATTEMPTS,
    )
    this.#lost = counter(
      'apalis.task.lost',
      '{task}',
      'Runs whose claim was gone before their outcome was stored, by reason.',
    )
    this.#leaked = counter(
      'apalis.task.leaked',
      '{task}',
      'Handlers that went on although their signal had aborted.',
    )
    this.#errors = counter(
      'apalis.worker.errors',
      '{error}',
      'Calls to the backend, and callbacks, that failed, by operation.',
    )
    this.#dropped = counter(
      'apalis.worker.dropped',
      '{item}',
      'What did not fit or could not be written in time.',
    )
  }

  take(event: Event): void {
    const labels = {
      'messaging.system': MESSAGING,
      'messaging.destination.name': event.queue,
      'apalis.worker.name': event.worker,
    }
    switch (event.type) {
      case 'engage':
        this.#engaged(event, labels)
        break
      case 'success':
        this.#ended('done', event, labels)
        break
      case 'error':
        if ('task' in event) {
          const type = event.outcome === 'released' ? {} : { 'error.type': errorType(event.error) }
          this.#ended(event.outcome, event, { ...labels, ...type })
        } else {
          this.#errors.add(1, { ...labels, 'apalis.operation': event.operation })
        }
        break
      case 'lost':
        this.#lost.add(1, { ...labels, 'apalis.task.lost.reason': event.reason })
        break
      case 'leaked':
        this.#leaked.add(1, labels)
        break
      case 'dropped':
        this.#dropped.add(event.count, { ...labels, 'apalis.dropped': event.what })
        break
      default:
    }
  }

  #engaged({ task, waitedMs }: EngageEvent, labels: TelemetryAttributes): void {
    this.#layerWait.record(waitedMs / 1_000, labels)
    // Only a queue's tasks have it; both are times of the storage's clock.
    const { lockedAt } = (task.parts.context ?? {}) as Partial<QueueContext>
    if (lockedAt !== undefined) {
      const waitMs = lockedAt.getTime() - task.parts.runAt.getTime()
      this.#queueWait.record(Math.max(0, waitMs) / 1_000, labels)
    }
  }

  #ended(
    outcome: 'done' | 'failed' | 'killed' | 'released',
    { task, durationMs }: { readonly task: EventTask; readonly durationMs?: number },
    labels: TelemetryAttributes,
  ): void {
    const ended = {
      ...labels,
      'messaging.operation.name': 'process',
      'apalis.task.outcome': outcome,
    }
    this.#consumed.add(1, ended)
    if (durationMs !== undefined) this.#duration.record(durationMs / 1_000, ended)
    if (outcome === 'done' || outcome === 'killed') {
      this.#attempts.record(task.parts.attempt.current, {
        ...labels,
        'apalis.task.outcome': outcome,
      })
    }
  }
}
