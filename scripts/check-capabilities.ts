// Checks that the table of the storages in the README is made from what ran: `node scripts/check-capabilities.ts`.
// The conformance test of each storage counts what passed and what was skipped, and fails when that differs from the
// record beside it. With `--write` the tests run, the records are written, and the table is made from them.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A column of the table: a storage, and its conformance test without its ending. */
export interface Storage {
  readonly name: string
  readonly test: string
}

const storages: readonly Storage[] = [
  { name: 'memory', test: 'packages/core/test/conformance/memory' },
  { name: 'JSON file', test: 'packages/core/test/conformance/json' },
  { name: 'SQLite', test: 'packages/sqlite/test/conformance-file' },
  { name: 'PostgreSQL', test: 'packages/postgres/test/conformance-server' },
]

/** What ran of one storage: by subject how many cases passed, and how many were skipped for which reason. */
type RunRecord = Readonly<
  Record<string, { readonly passed: number; readonly skipped: Readonly<Record<string, number>> }>
>

const start = '<!-- capabilities -->\n'
const end = '<!-- /capabilities -->'

/** What is wrong with the table in `root`, as one line each; `write` mends it. */
export function checkCapabilities(
  root: string,
  columns: readonly Storage[],
  { write = false }: { write?: boolean } = {},
): string[] {
  const missing = columns.filter(({ test }) => !existsSync(join(root, `${test}.json`)))
  if (missing.length > 0) {
    return missing.map(({ test }) => `${test}.json is missing: \`npm run docs\` writes it`)
  }
  const records = columns.map(({ test }) => readRecord(join(root, `${test}.json`)))
  const path = join(root, 'README.md')
  const readme = readFileSync(path, 'utf8')
  const [before = '', rest] = readme.split(start)
  const [, after] = rest?.split(end) ?? []
  if (after === undefined) return [`README.md has no ${start.trim()} with its end`]
  const expected = `${before}${start}\n${tableOf(columns, records)}\n${end}${after}`
  if (expected === readme) return []
  if (!write) return ['README.md has another table than what ran: `npm run docs` mends it']
  writeFileSync(path, expected)
  return []
}

function readRecord(path: string): RunRecord {
  // Written by the test of that name.
  return JSON.parse(readFileSync(path, 'utf8')) as RunRecord
}

function tableOf(columns: readonly Storage[], records: readonly RunRecord[]): string {
  const subjects = [...new Set(records.flatMap((record) => Object.keys(record)))]
  const rows = subjects.map((subject) => [
    subject,
    ...records.map((record) => {
      const { passed, skipped } = record[subject] ?? { passed: 0, skipped: {} }
      const reasons = Object.keys(skipped).join('; ')
      return countOf(passed, skipped) + (reasons === '' ? '' : `: ${reasons}`)
    }),
  ])
  const totals = records.map((record) => {
    const counts = Object.values(record)
    const passed = counts.reduce((sum, one) => sum + one.passed, 0)
    return countOf(passed, Object.fromEntries(counts.map((one, at) => [at, total(one.skipped)])))
  })
  return markdown([['', ...columns.map(({ name }) => name)], ...rows, ['all', ...totals]])
}

function countOf(passed: number, skipped: Readonly<Record<string, number>>): string {
  const left = total(skipped)
  return left === 0 ? `${passed}` : `${passed} of ${passed + left}`
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

/** Aligned as the formatter aligns it. */
function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows
  const widths = head.map((_, column) =>
    Math.max(3, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const lineOf = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`
  return [head, widths.map((width) => '-'.repeat(width)), ...body].map(lineOf).join('')
}

/** Runs the tests, which write their records. */
function runTests(root: string): boolean {
  const { status } = spawnSync(
    process.execPath,
    [
      '--conditions=@apalis/source',
      '--test',
      '--test-reporter=dot',
      '--test-update-snapshots',
      ...storages.map(({ test }) => `${test}.test.ts`),
    ],
    { cwd: root, stdio: 'inherit' },
  )
  return status === 0
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  const write = process.argv.includes('--write')
  const problems =
    write && !runTests(root)
      ? ['the conformance tests failed: there is no table']
      : checkCapabilities(root, storages, { write })
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
}
