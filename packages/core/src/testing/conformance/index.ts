import type { CaseDefinition } from './definition.ts'
import { func, knownKeys, text, wholeNumber } from '../../internal/validate.ts'
import type { Capability, Case, ConformanceOptions, Harness } from '../harness.ts'
import { adminCases } from './admin.ts'
import { backoffCases } from './backoff.ts'
import { cancelCases } from './cancel.ts'
import { dispatchCases } from './dispatch.ts'
import { enqueueCases } from './enqueue.ts'
import { leaseCases } from './lease.ts'
import { lifecycleCases } from './lifecycle.ts'
import { outcomeCases } from './outcomes.ts'
import { adminPrimitives } from './primitive-admin.ts'
import { claimPrimitives } from './primitive-claims.ts'
import { insertPrimitives } from './primitive-inserts.ts'
import { leasePrimitives } from './primitive-leases.ts'
import { settlePrimitives } from './primitive-settles.ts'
import { signalPrimitives } from './primitive-signals.ts'
import { pauseCases } from './pause.ts'
import { pushingCases } from './pushing.ts'
import { reconciliationCases } from './reconciliation.ts'
import { rescueCases } from './rescue.ts'
import { resultCases } from './results.ts'
import { retryCases } from './retry.ts'
import { scheduleCases } from './schedule.ts'
import { sharingCases } from './sharing.ts'
import { completionCases } from './completion.ts'
import { transactionCases } from './transactions.ts'
import { uniqueCases } from './unique.ts'
import { wakingCases } from './waking.ts'
import { World } from './world.ts'

/** In the order in which a storage author best makes them pass. */
const subjects: readonly (readonly [string, readonly CaseDefinition[]])[] = [
  ['store insert', insertPrimitives],
  ['store claim', claimPrimitives],
  ['store settle', settlePrimitives],
  ['store lease', leasePrimitives],
  ['store administration', adminPrimitives],
  ['store signals', signalPrimitives],
  ['enqueue', enqueueCases],
  ['pushing', pushingCases],
  ['unique', uniqueCases],
  ['transactions', [...transactionCases, ...completionCases]],
  ['dispatch', dispatchCases],
  ['waking', wakingCases],
  ['schedule', scheduleCases],
  ['retry', retryCases],
  ['backoff', backoffCases],
  ['outcomes', outcomeCases],
  ['lease', leaseCases],
  ['rescue', rescueCases],
  ['reconciliation', reconciliationCases],
  ['cancel', cancelCases],
  ['pause', pauseCases],
  ['lifecycle', lifecycleCases],
  ['results', resultCases],
  ['administration', adminCases],
  ['sharing', sharingCases],
]

/**
 * What every storage is held to, as data: each case runs in a world of its own. Running it is one loop:
 * `for (const { name, skip, run } of conformance({ harness })) test(name, { skip }, run)`.
 * A harness without a capability compiles only with the reason in `without`. Throws an error with the code `ERR_OPTION`
 * when an option cannot be used.
 */
export function conformance<Tx = never, Lacks extends Capability = never>(
  options: ConformanceOptions<Tx, Lacks>,
): readonly Case[] {
  const checked = checkOptions(options)
  return subjects.flatMap(([subject, cases]) =>
    cases.map((definition) => caseOf(subject, definition, checked)),
  )
}

interface CheckedOptions<Tx> {
  readonly harness: () => Harness<Tx> | Promise<Harness<Tx>>
  readonly without: Readonly<Partial<Record<Capability, string>>>
  readonly many: number
}

const capabilities: readonly Capability[] = [
  'transactions',
  'concurrent-transactions',
  'exchange',
  'producer',
]

function checkOptions<Tx, Lacks extends Capability>({
  harness,
  without,
  many = 20_000,
  ...rest
}: ConformanceOptions<Tx, Lacks>): CheckedOptions<Tx> {
  knownKeys('conformance', rest, ['harness', 'without', 'many'])
  const reasons: Readonly<Partial<Record<Capability, string>>> = without ?? {}
  knownKeys('conformance.without', reasons, capabilities)
  for (const [capability, reason] of Object.entries(reasons)) {
    text(`conformance.without.${capability}`, reason, 1_000)
  }
  return {
    harness: func('conformance.harness', harness),
    without: reasons,
    many: wholeNumber('conformance.many', many, { min: 1 }),
  }
}

function caseOf<Tx>(
  subject: string,
  { name, number, needs = [], run }: CaseDefinition,
  { harness, without, many }: CheckedOptions<Tx>,
): Case {
  return {
    name: `${subject}: ${name}${number === undefined ? '' : ` (${number})`}`,
    subject,
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
