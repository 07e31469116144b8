import type { Meter } from '@opentelemetry/api'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'

/** Reads when the test says so. */
class ManualReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** One measured value with its attributes; of a histogram how many values, and their sum. */
export type Reading = readonly [value: unknown, attributes: object]

/** What was collected at one time. */
export interface Collected {
  /** By the name of the instrument. */
  readonly readings: ReadonlyMap<string, readonly Reading[]>
  readonly units: ReadonlyMap<string, string>
  readonly errors: readonly unknown[]
}

/** A real meter of OpenTelemetry that is read when the test says so, by any number of readers. */
export function meterLab(readers = 1) {
  const all = Array.from({ length: readers }, () => new ManualReader())
  const meter: Meter = new MeterProvider({ readers: all }).getMeter('test')
  const collect = async (reader: MetricReader): Promise<Collected> => {
    const { resourceMetrics, errors } = await reader.collect()
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
    const readings = new Map(
      metrics.map(({ descriptor, dataPoints }) => [
        descriptor.name,
        dataPoints.map(({ value, attributes }): Reading => [simple(value), attributes]),
      ]),
    )
    const units = new Map(metrics.map(({ descriptor: { name, unit } }) => [name, unit]))
    return { readings, units, errors }
  }
  return { meter, collect: () => Promise.all(all.map(collect)) }
}

function simple(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('count' in value && 'sum' in value)) {
    return value
  }
  return { count: value.count, sum: value.sum }
}
