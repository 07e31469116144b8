import {
  BackendError,
  type Claimed,
  isBackendError,
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

/** So many outcomes take the server longer than a second statement costs. */
const WORTH_TWO = 100

/** What came of an {@link Exchange}. */
export interface Exchanged {
  readonly settled: readonly StoreSettled[]
  readonly claimed: Claimed
}

/** See `TaskStore.exchange`. */
export async function exchange(session: Session, call: Exchange): Promise<Exchanged> {
  const { settlements = [] } = call
  // What is done can be claimed by nobody: then it does not matter which comes first, and the server has two processes.
  const apart =
    session.calls.parallel &&
    settlements.length >= WORTH_TWO &&
    settlements.every(({ outcome }) => outcome.type === 'done')
  return apart ? exchangeApart(session, call) : roundTrip(session, call)
}

async function exchangeApart(
  session: Session,
  { limit = 0, suspects = 0, ...call }: Exchange,
): Promise<Exchanged> {
  const { operation, worker } = call
  const [settle, claim] = await Promise.allSettled([
    roundTrip(session, call),
    roundTrip(session, { operation, worker, limit, suspects }),
  ])
  if (claim.status === 'rejected') throw claim.reason
  if (settle.status === 'fulfilled') {
    return { settled: settle.value.settled, claimed: claim.value.claimed }
  }
  // What was claimed is nobody's: core asks the storage what it holds.
  const { reason } = settle
  const transient = isBackendError(reason) && reason.transient
  const message = reason instanceof Error ? reason.message : String(reason)
  throw new BackendError(operation, message, { transient, applied: 'unknown', cause: reason })
}

/** Settles, claims, or both in one statement. */
export async function roundTrip(
  session: Session,
  { operation, worker, settlements = [], limit, suspects = 0, within }: Exchange,
): Promise<Exchanged> {
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
    within !== undefined,
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
