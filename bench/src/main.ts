import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs, promisify } from 'node:util'
import type { Contender, Measurement } from './contender.ts'
import { suites } from './suites.ts'

const run = promisify(execFile)
const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'memory' },
    tasks: { type: 'string', default: '200000' },
    concurrency: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
  },
})
const contenders = suites[values.suite]
if (contenders === undefined) {
  throw new Error(`no suite "${values.suite}": there are ${Object.keys(suites).join(', ')}`)
}

const versions = await Promise.all(contenders.map((contender) => versionOf(contender)))
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}`,
)
console.log(
  `suite ${values.suite}: ${values.tasks} tasks, concurrency ${values.concurrency}, median of ${values.rounds} rounds\n`,
)
const results = contenders.map((): Measurement[] => [])
for (let round = 0; round < Number(values.rounds); round += 1) {
  // In turn, each round beginning with another one, so that a slow spell of the machine hits all alike.
  for (let turn = 0; turn < contenders.length; turn += 1) {
    const index = (round + turn) % contenders.length
    const contender = contenders[index]
    if (contender !== undefined) results[index]?.push(await measure(contender))
  }
}

const [ours = []] = results
let exact = true
for (const [index, contender] of contenders.entries()) {
  const measured = results[index] ?? []
  const lost = sum(measured.map((one) => one.lost))
  const doubled = sum(measured.map((one) => one.doubled))
  exact &&= lost === 0 && doubled === 0
  const perSecond = median(measured.map((one) => one.tasksPerSecond))
  const ratio = median(
    measured.map((one, round) => (ours[round]?.tasksPerSecond ?? 0) / one.tasksPerSecond),
  )
  const name = `${contender.name} (${versions[index] ?? ''})`
  console.log(
    `${name.padEnd(34)} ${Math.round(perSecond).toLocaleString('en').padStart(10)} tasks/s   ` +
      `apalis is ${ratio.toFixed(2)}x   lost ${lost}, doubled ${doubled}`,
  )
}
if (!exact) {
  console.error('\nsome tasks were lost or doubled')
  process.exitCode = 1
}

async function measure({ name }: Contender): Promise<Measurement> {
  const { stdout } = await run(process.execPath, [
    '--expose-gc',
    '--conditions=@apalis/source',
    new URL('measure.ts', import.meta.url).pathname,
    values.suite,
    name,
    values.tasks,
    values.concurrency,
  ])
  return JSON.parse(stdout) as Measurement
}

async function versionOf(contender: Contender): Promise<string> {
  const manifest = new URL(`../node_modules/${contender.package}/package.json`, import.meta.url)
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { readonly version: string }
  return version
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
