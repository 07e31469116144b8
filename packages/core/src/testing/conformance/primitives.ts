import type { CaseDefinition } from './definition.ts'
import { adminPrimitives } from './primitive-admin.ts'
import { claimPrimitives } from './primitive-claims.ts'
import { insertPrimitives } from './primitive-inserts.ts'
import { leasePrimitives } from './primitive-leases.ts'
import { settlePrimitives } from './primitive-settles.ts'

/** What a store promises by itself, without a worker: where a storage author begins. */
export const primitiveCases: readonly CaseDefinition[] = [
  ...insertPrimitives,
  ...claimPrimitives,
  ...settlePrimitives,
  ...leasePrimitives,
  ...adminPrimitives,
]
