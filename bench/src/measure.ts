import { performance } from 'node:perf_hooks'
import type { Measurement } from './contender.ts'
import { Deliveries } from './delivery.ts'
import { suites } from './suites.ts'

/** Runs one contender, alone in this process, and prints what it measured. */
const [suite = '', name = '', tasks = '', concurrency = ''] = process.argv.slice(2)
const contender = suites[suite]?.find((candidate) => candidate.name === name)
if (contender === undefined) throw new Error(`no contender "${name}" in suite "${suite}"`)
const count = Number(tasks)
// So that nobody is measured while its code is interpreted and its heap grows to its size.
const warmUp = count
await contender.run(warmUp, Number(concurrency), new Deliveries(warmUp))
globalThis.gc?.()
const deliveries = new Deliveries(count)
const begun = performance.now()
await contender.run(count, Number(concurrency), deliveries)
const seconds = (performance.now() - begun) / 1_000
const measured: Measurement = {
  tasksPerSecond: count / seconds,
  lost: deliveries.lost,
  doubled: deliveries.doubled,
}
console.log(JSON.stringify(measured))
