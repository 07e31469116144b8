import type { CaseDefinition } from './definition.ts'
import type { Case, ConformanceOptions } from '../harness.ts'
import { adminCases } from './admin.ts'
import { cancelCases } from './cancel.ts'
import { dispatchCases } from './dispatch.ts'
import { enqueueCases } from './enqueue.ts'
import { leaseCases } from './lease.ts'
import { lifecycleCases } from './lifecycle.ts'
import { outcomeCases } from './outcomes.ts'
import { primitiveCases } from './primitives.ts'
import { pushingCases } from './pushing.ts'
import { reconciliationCases } from './reconciliation.ts'
import { rescueCases } from './rescue.ts'
import { resultCases } from './results.ts'
import { retryCases } from './retry.ts'
import { scheduleCases } from './schedule.ts'
import { sharingCases } from './sharing.ts'
import { transactionCases } from './transactions.ts'
import { uniqueCases } from './unique.ts'
import { World } from './world.ts'

const subjects: readonly (readonly [string, readonly CaseDefinition[]])[] = [
  ['store', primitiveCases],
  ['enqueue', enqueueCases],
  ['pushing', pushingCases],
  ['transactions', transactionCases],
  ['dispatch', dispatchCases],
  ['schedule', scheduleCases],
  ['retry', retryCases],
  ['outcomes', outcomeCases],
  ['lease', leaseCases],
  ['rescue', rescueCases],
  ['reconciliation', reconciliationCases],
  ['cancel', cancelCases],
  ['unique', uniqueCases],
  ['lifecycle', lifecycleCases],
  ['results', resultCases],
  ['admin', adminCases],
  ['sharing', sharingCases],
]

/**
 * What every storage is held to, as data: each case runs in a world of its own. Running it is one loop:
 * `for (const { name, skip, run } of conformance({ harness })) test(name, { skip }, run)`.
 */
export function conformance<Tx = never>(options: ConformanceOptions<Tx>): readonly Case[] {
  return subjects.flatMap(([subject, cases]) =>
    cases.map((definition) => caseOf(subject, definition, options)),
  )
}

function caseOf<Tx>(
  subject: string,
  { name, number, needs = [], run }: CaseDefinition,
  { harness, without = {}, many = 20_000 }: ConformanceOptions<Tx>,
): Case {
  return {
    name: `${subject}: ${name}${number === undefined ? '' : ` (${number})`}`,
    number,
    skip: needs.map((capability) => without[capability]).find((reason) => reason !== undefined),
    async run() {
      const world = new World(await harness(), many)
      try {
        await run(world)
      } finally {
        await world.close()
      }
    },
  }
}
