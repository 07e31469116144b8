import { render } from '../internal/render.ts'
import type { Finding } from './task-pattern.ts'

/** So much of two long texts stands before the place where they differ. */
const BEFORE = 20

/** Findings as lines: what is as expected by itself, what is not with both values. */
export function diffOf(findings: readonly Finding[]): string {
  return findings.flatMap(linesOf).join('\n')
}

function linesOf({ path, same, expected, actual }: Finding): string[] {
  if (same) return [`    ${path}: ${render(actual)}`]
  const [wanted, found] = apart(expected, actual)
  return [`  - ${path}: ${wanted}`, `  + ${path}: ${found}`]
}

/** Two values that differ, as text that does. */
function apart(expected: unknown, actual: unknown): [string, string] {
  const wanted = render(expected)
  const found = render(actual)
  if (wanted !== found) return [wanted, found]
  if (Array.isArray(expected) && Array.isArray(actual)) {
    return [`${wanted} (${expected.length} items)`, `${found} (${actual.length} items)`]
  }
  if (typeof expected !== 'string' || typeof actual !== 'string') return [wanted, found]
  let same = 0
  while (expected[same] === actual[same]) same += 1
  const from = Math.max(0, same - BEFORE)
  return [`…${render(expected.slice(from))}`, `…${render(actual.slice(from))}`]
}
