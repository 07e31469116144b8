// Looks for tests that fail now and then: `npm run flake [-- ROUNDS [FILE...]]` runs the unit, conformance and simulation
// suites so many times in a row (20), and stops at the first failure. Nothing is tried again anywhere.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const [given = '20', ...files] = process.argv.slice(2)
const rounds = Number(given)

if (!Number.isSafeInteger(rounds) || rounds < 1) {
  console.error(`rounds: expected a whole number of at least 1, got ${JSON.stringify(given)}`)
  process.exit(1)
}

const patterns = files.length > 0 ? files : ['packages/*/test/**/*.test.ts']
const began = performance.now()

for (let round = 1; round <= rounds; round += 1) {
  const start = performance.now()
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    ['--conditions=@apalis/source', '--test', ...patterns],
    // What thousands of tests print.
    { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 },
  )
  if (status !== 0) {
    console.error(`${stdout}${stderr}${error?.message ?? ''}`)
    console.error(`round ${round} of ${rounds} failed after ${seconds(start)}`)
    process.exit(1)
  }
  const [count = '0'] = /(?<=^ℹ pass )\d+/m.exec(stdout) ?? []
  console.log(`round ${round} of ${rounds}: ${count} passed in ${seconds(start)}`)
}
console.log(`no failure in ${rounds} rounds, ${seconds(began)}`)

function seconds(start: number): string {
  return `${((performance.now() - start) / 1_000).toFixed(1)} s`
}
