import { performance } from 'node:perf_hooks'
import type { Measurement } from './contender.ts'
import { Deliveries } from './delivery.ts'
import { suites } from './suites.ts'

/** Runs one contender, alone in this process, and prints what it measured. */
const [suiteName = '', name = '', tasks = '', concurrency = ''] = process.argv.slice(2)
const suite = suites[suiteName]
const contender = suite?.contenders.find((candidate) => candidate.name === name)
if (contender === undefined) throw new Error(`no contender "${name}" in suite "${suiteName}"`)
const count = Math.min(Number(tasks), contender.atMost ?? Number(tasks))
// So that nobody is measured while its code is interpreted and its heap grows to its size.
const warmUp = Math.min(count, suite?.warmUp ?? count)
if (warmUp > 0) await contender.run(warmUp, Number(concurrency), new Deliveries(warmUp))
globalThis.gc?.()
const deliveries = new Deliveries(count)
const begun = performance.now()
const figures = await contender.run(count, Number(concurrency), deliveries)
const seconds = (performance.now() - begun) / 1_000
const measured: Measurement = {
  value: count / seconds,
  ...figures,
  lost: deliveries.lost,
  doubled: deliveries.doubled,
}
console.log(JSON.stringify(measured))
