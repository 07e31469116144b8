import {
  type Claimed,
  LeaseLostError,
  type StoreSettled,
  type StoreSettlement,
  type WorkerRef,
} from '@apalis/core'
import type { PostgresTransaction } from './client.ts'
import { toClaimed } from './rows.ts'
import { type Session, tellOf } from './session.ts'
import { sentSettlements, type SettleAnswer, toSettled } from './settle.ts'

/** What to do in one round trip. */
export interface Exchange {
  readonly operation: string
  readonly worker: WorkerRef
  readonly settlements?: readonly StoreSettlement[]
  /** Absent: nothing is claimed. */
  readonly limit?: number
  readonly suspects?: number
  readonly within?: PostgresTransaction | undefined
}

/** See `TaskStore.exchange`: settles, claims, or both. */
export async function exchange(
  session: Session,
  { operation, worker, settlements = [], limit, suspects = 0, within }: Exchange,
): Promise<{ readonly settled: readonly StoreSettled[]; readonly claimed: Claimed }> {
  const { queue, id } = worker
  const sent = sentSettlements(settlements)
  const settles = settlements.length > 0
  const values = [
    queue,
    id,
    settles ? sent.ids : null,
    settles ? sent.epochs : null,
    sent.results,
    sent.others,
    limit ?? null,
    suspects,
    session.offset,
  ]
  const answer = await session.calls.json(operation, 'exchange_1', values, { within })
  const { lost, settled, claimed } = answer as SentExchange
  if (lost === true) throw new LeaseLostError(id)
  if (settled !== null) tellOf(session, queue, settled)
  return {
    settled: toSettled(sent, settled ?? { late: null }),
    claimed: claimed === null ? { rows: [] } : toClaimed(claimed),
  }
}

interface SentExchange {
  readonly lost?: true
  readonly settled: SettleAnswer | null
  readonly claimed: unknown
}
