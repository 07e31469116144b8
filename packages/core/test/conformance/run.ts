import { test } from 'node:test'
import type { Case } from '../../src/testing/harness.ts'

/** Runs the cases, and holds what ran against the record at `path`, which the table in the README is made from. */
export function runCases(cases: readonly Case[], path: string): void {
  const ran: Record<string, { passed: number; skipped: Record<string, number> }> = {}
  for (const { name, subject, skip, run } of cases) {
    const row = (ran[subject] ??= { passed: 0, skipped: {} })
    if (skip !== undefined) row.skipped[skip] = (row.skipped[skip] ?? 0) + 1
    test(name, { skip }, async () => {
      await run()
      row.passed += 1
    })
  }

  test('as much ran as the record beside this file says, which `npm run docs` writes', ({
    assert,
  }) => {
    assert.fileSnapshot(ran, path, {
      serializers: [(value) => `${JSON.stringify(value, null, 2)}\n`],
    })
  })
}
