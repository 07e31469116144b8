import type { ClaimedRow, Row } from '../../storage/task-store.ts'
import type { Invariant } from '../invariant-error.ts'
import { differences } from './differences.ts'
import type { ReferenceState } from './reference-state.ts'
import { isFinished } from './reference-task.ts'

/** The most telling first: an old settle that was accepted explains a row that is gone, and not the other way round. */
const order: readonly Invariant[] = [
  'fence',
  'one owner',
  'nothing lost',
  'terminal rows stay',
  'uniqueness',
  'budgets',
  'order',
]

/** Which of several names says most. */
export function mostTelling(names: readonly Invariant[]): Invariant {
  return order.find((name) => names.includes(name)) ?? 'contract'
}

/** What is broken when a queue's rows are not those that they should be; none: they are. */
export function brokenByRows(
  queue: string,
  reference: ReferenceState,
  actual: readonly Row[],
  drift: number,
): readonly Invariant[] {
  const expected = reference.rows(queue)
  if (differences(expected, actual, drift).length === 0) return []
  const names = expected.map((row) => {
    const other = actual.find(({ id }) => id === row.id)
    return other === undefined ? 'nothing lost' : brokenByRow(row, other, drift)
  })
  const extra = actual.filter(({ id }) => expected.every((row) => row.id !== id))
  const rivals = extra.map(({ uniqueKey }) => reference.keyHolder(queue, uniqueKey))
  // What differs in no row and in no id differs in the order of both.
  const found = [...names, ...rivals.map((rival) => (rival ? 'uniqueness' : 'contract'))]
  return found.some((name) => name !== undefined)
    ? found.filter((name) => name !== undefined)
    : ['order']
}

/** What is broken when a row is another than it should be; undefined: it is not. */
function brokenByRow(expected: Row, actual: Row, drift: number): Invariant | undefined {
  if (differences(expected, actual, drift).length === 0) return undefined
  if (isFinished(expected) && actual.status !== expected.status) return 'terminal rows stay'
  if (expected.status === 'running' && actual.lockedBy !== expected.lockedBy) {
    const settled = isFinished(actual) || actual.errors.length > expected.errors.length
    return settled ? 'fence' : 'one owner'
  }
  if (actual.status !== expected.status) return 'contract'
  return brokenByFields(expected, actual, drift)
}

/** What is broken when fields that claimed and stored rows have in common differ. */
export function brokenByFields(
  expected: ClaimedRow | Row,
  actual: ClaimedRow | Row,
  drift: number,
): Invariant {
  if (actual.epoch !== expected.epoch) return 'fence'
  const budgets = ['attempt', 'attempts', 'rescues', 'releases'] as const
  if (budgets.some((field) => actual[field] !== expected[field])) return 'budgets'
  if (actual.priority !== expected.priority) return 'order'
  return Math.abs(actual.runAt - expected.runAt) > drift ? 'order' : 'contract'
}
