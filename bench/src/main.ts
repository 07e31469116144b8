import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs, promisify } from 'node:util'
import type { Contender, Measurement } from './contender.ts'
import { SERVER } from './postgres/database.ts'
import { startServer } from './postgres/server.ts'
import { suites } from './suites.ts'

const run = promisify(execFile)
const { values: given } = parseArgs({
  options: {
    suite: { type: 'string', default: 'memory' },
    tasks: { type: 'string' },
    concurrency: { type: 'string' },
    rounds: { type: 'string' },
  },
})
const suite = suites[given.suite]
if (suite === undefined) {
  throw new Error(`no suite "${given.suite}": there are ${Object.keys(suites).join(', ')}`)
}
const { contenders, compared, unit, of = 'tasks' } = suite
const tasks = Number(given.tasks ?? suite.tasks)
const concurrency = Number(given.concurrency ?? suite.concurrency ?? 100)
const rounds = Number(given.rounds ?? suite.rounds ?? 3)

await using server = suite.server === 'postgres' ? await startServer() : undefined
const versions = await Promise.all(contenders.map((contender) => versionOf(contender)))
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}`,
)
if (server !== undefined)
  console.log(`PostgreSQL ${Math.floor(server.version / 10_000)}.${server.version % 100}`)
console.log(
  `suite ${given.suite}: ${tasks} ${of}, concurrency ${concurrency}, median of ${rounds} rounds\n`,
)
const results = contenders.map((): Measurement[] => [])
for (let round = 0; round < rounds; round += 1) {
  // In turn, each round beginning with another one, so that a slow spell of the machine hits all alike.
  for (let turn = 0; turn < contenders.length; turn += 1) {
    const index = (round + turn) % contenders.length
    const contender = contenders[index]
    if (contender !== undefined) results[index]?.push(await measure(contender))
  }
}

const nameWidth = Math.max(
  34,
  ...contenders.map(({ name }, index) => name.length + (versions[index]?.length ?? 0) + 3),
)
let exact = true
for (const [index, contender] of contenders.entries()) {
  const measured = results[index] ?? []
  const lost = sum(measured.map((one) => one.lost))
  const doubled = sum(measured.map((one) => one.doubled))
  exact &&= lost === 0 && doubled === 0
  const figures = [
    `${contender.name} (${versions[index] ?? ''})`.padEnd(nameWidth),
    `${inWords(median(measured.map((one) => one.value))).padStart(10)} ${unit}`,
    ...((contender.atMost ?? tasks) < tasks ? [`${contender.atMost} ${of}`] : []),
    ...compared.map((name) => `${name} is ${ratio(name, measured).toFixed(2)}x`),
    `lost ${lost}, doubled ${doubled}`,
  ]
  console.log(figures.join('   '))
  for (const what of Object.keys(measured[0]?.also ?? {})) {
    const value = median(measured.map((one) => one.also?.[what] ?? Number.NaN))
    console.log(`  ${what}: ${inWords(value)}`)
  }
}
if (!exact) {
  console.error('\nsome tasks were lost or doubled')
  process.exitCode = 1
}

async function measure({ name }: Contender): Promise<Measurement> {
  const { stdout } = await run(
    process.execPath,
    [
      '--expose-gc',
      '--conditions=@apalis/source',
      new URL('measure.ts', import.meta.url).pathname,
      given.suite,
      name,
      String(tasks),
      String(concurrency),
    ],
    server === undefined ? {} : { env: { ...process.env, [SERVER]: server.url } },
  )
  return JSON.parse(stdout) as Measurement
}

/** How many times as good the compared one is, round by round. */
function ratio(name: string, measured: readonly Measurement[]): number {
  const its = results[contenders.findIndex((contender) => contender.name === name)] ?? []
  const ratios = measured.map(({ value }, round) => (its[round]?.value ?? Number.NaN) / value)
  return median(unit.endsWith('/s') ? ratios : ratios.map((one) => 1 / one))
}

async function versionOf(contender: Contender): Promise<string> {
  // What comes with Node has its version.
  if (contender.package === 'node') return process.version
  const manifest = new URL(`../node_modules/${contender.package}/package.json`, import.meta.url)
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { readonly version: string }
  return version
}

/** Large numbers without decimals, small ones with three figures at least. */
function inWords(value: number): string {
  if (Number.isInteger(value) || value >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toLocaleString('en', { maximumSignificantDigits: value >= 1 ? 6 : 3 })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
