import type { StoredError, StoreOutcome, StoreSettled, StoreSettlement } from '@apalis/core'
import { FAILED, KILLED, PENDING } from './sql/tables.ts'

/** Settlements, as `exchange_1` takes them. */
export interface SentSettlements {
  /** Those that are done. */
  readonly ids: readonly string[]
  readonly epochs: readonly number[]
  /** Null: none has a result. */
  readonly results: readonly (string | null)[] | null
  /** All others, as JSON. */
  readonly others: string | null
  /** Where each stands in the answer: the done come first. */
  readonly places: readonly number[]
}

interface Other {
  readonly id: string
  readonly epoch: number
  readonly type: number
  readonly ms?: number
  readonly error?: StoredError
}

/** Sorts settlements by how they are sent. */
export function sentSettlements(settlements: readonly StoreSettlement[]): SentSettlements {
  const ids: string[] = []
  const epochs: number[] = []
  const results: (string | null)[] = []
  const others: Other[] = []
  const done: number[] = []
  const rest: number[] = []
  let hasResult = false
  for (const [place, { id, epoch, outcome }] of settlements.entries()) {
    if (outcome.type === 'done') {
      ids.push(id)
      epochs.push(epoch)
      results.push(outcome.result ?? null)
      hasResult ||= outcome.result !== undefined
      done.push(place)
    } else {
      others.push({ id, epoch, ...written(outcome) })
      rest.push(place)
    }
  }
  return {
    ids,
    epochs,
    results: hasResult ? results : null,
    others: others.length === 0 ? null : JSON.stringify(others),
    places: [...done, ...rest],
  }
}

function written(
  outcome: Exclude<StoreOutcome, { readonly type: 'done' }>,
): Omit<Other, 'id' | 'epoch'> {
  switch (outcome.type) {
    case 'failed':
      return { type: FAILED, ms: outcome.retryInMs, error: outcome.error }
    case 'killed':
      return { type: KILLED, error: outcome.error }
    case 'released':
      return {
        type: PENDING,
        ms: outcome.dueInMs,
        ...(outcome.error !== undefined && { error: outcome.error }),
      }
  }
}

/** What `exchange_1` says of settlements. */
export interface SettleAnswer {
  /** Something may be due. */
  readonly due: boolean
  /** Those that were not applied, by their number in the order they were sent, from 1; and whether they were before. */
  readonly late: readonly (readonly [number: number, repeated: boolean])[] | null
  /** Ended tasks that somebody waits for. */
  readonly awaited: readonly string[] | null
}

/** The answers in the order of the settlements. */
export function toSettled(
  { places }: SentSettlements,
  { late }: Pick<SettleAnswer, 'late'>,
): readonly StoreSettled[] {
  const settled: StoreSettled[] = places.map(() => 'applied')
  for (const [number, repeated] of late ?? []) {
    const place = places[number - 1]
    if (place !== undefined) settled[place] = repeated ? 'repeated' : 'stale'
  }
  return settled
}
