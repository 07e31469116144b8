import {
  type Claimed,
  type ClaimedRow,
  type Rescued,
  type Row,
  type StoreBeat,
  type StoreSettled,
  type StoreSettlement,
  type StoreWorker,
  suspectRescues,
  type TaskStore,
  type WorkerRef,
} from '../../storage/task-store.ts'
import type { Invariant } from '../invariant-error.ts'
import { brokenByFields, mostTelling } from './breaches.ts'
import { type Call, type Difference, oneLess, orLost, poison, seconds, several } from './call.ts'
import { differences } from './differences.ts'
import { leaseLost } from './reference.ts'
import type { ReferenceState } from './reference-state.ts'
import { claimedRow, isFinished } from './reference-task.ts'

/** How often a worker may die of a row. */
const maxRescues = 3

type Lost = typeof leaseLost

/**
 * The same settlements where tasks were claimed more often or less: each as many epochs behind its task's, or before it, as
 * it was.
 */
function moved(
  queue: string,
  settlements: readonly StoreSettlement[],
  then: ReferenceState,
): (now: ReferenceState) => readonly StoreSettlement[] {
  const epochOf = (state: ReferenceState, { id, epoch }: StoreSettlement): number =>
    state.find(queue, id)?.row.epoch ?? epoch
  const behind = settlements.map((one) => epochOf(then, one) - one.epoch)
  return (now) =>
    settlements.map((one, index) => ({ ...one, epoch: epochOf(now, one) - (behind[index] ?? 0) }))
}

/** A claim's rows, as such: a store may give more of them. */
function claimsOf(claimed: Claimed): Claimed {
  return { ...claimed, rows: claimed.rows.map(claimedRow) }
}

/** What an exchange brings. */
type Exchanged = Awaited<ReturnType<NonNullable<TaskStore['exchange']>>>

/** See `TaskStore.register`. */
export function registerCall(worker: StoreWorker): Call<void> {
  return {
    text: `${worker.id} registers for ${seconds(worker.leaseMs)}`,
    changes: worker.queue,
    ask: (store) => store.register(worker),
    expect: (reference) => reference.register(worker),
    breaks: () => 'contract',
  }
}

/** See `TaskStore.claim`. */
export function claimCall(worker: WorkerRef, limit: number, suspects: 0 | 1): Call<Claimed | Lost> {
  return {
    text: `${worker.id} claims up to ${limit}${suspects === 0 ? ', no suspects' : ''}`,
    changes: worker.queue,
    ask: (store) => orLost(store.claim(worker, limit, { suspects }).then(claimsOf)),
    expect: (reference) => reference.claim(worker, limit, suspects),
    breaks: (difference) => brokenByClaim(difference, worker.queue, suspects),
    became: (answer) => (answer === leaseLost ? [answer] : answer.rows.map(claimText)),
    simpler: () => (limit > 1 ? [claimCall(worker, 1, suspects)] : []),
  }
}

/** See `TaskStore.settle`. */
export function settleCall(
  worker: WorkerRef,
  settlements: readonly StoreSettlement[],
): Call<readonly StoreSettled[]> {
  return {
    text: settleText(worker, settlements),
    changes: worker.queue,
    ask: (store) => store.settle(worker, settlements),
    expect: (reference) => reference.settle(worker, settlements),
    breaks: brokenBySettle,
    simpler: () => oneLess(settlements).map((fewer) => settleCall(worker, fewer)),
    anew: (then) => {
      const move = moved(worker.queue, settlements, then)
      return (now) => settleCall(worker, move(now))
    },
    became: (answer) => answer,
  }
}

/** What an exchange brought; without a lease, what it left behind: whether it has settled then is the storage's choice. */
type ExchangeAnswer = Exchanged | { readonly lost: readonly (Row | undefined)[] }

/** See `TaskStore.exchange`. */
export function exchangeCall(
  worker: WorkerRef,
  settlements: readonly StoreSettlement[],
  limit: number,
): Call<ExchangeAnswer> {
  const { queue } = worker
  const ids = settlements.map(({ id }) => id)
  return {
    text: `${settleText(worker, settlements)}, and claims up to ${limit} in the same call`,
    changes: queue,
    async ask(store) {
      const exchanged = store.exchange?.(worker, settlements, limit, { suspects: 1 })
      if (exchanged === undefined) throw new TypeError('only one connection has exchange')
      const answer = await orLost(exchanged)
      if (answer === leaseLost) return { lost: await store.get(queue, ids) }
      return { ...answer, claimed: claimsOf(answer.claimed) }
    },
    expect(reference, actual) {
      const answer = reference.exchange(worker, settlements, limit, 1)
      if (answer !== leaseLost) return answer
      const held = reference.get(queue, ids).some((row, index) => {
        const left = 'lost' in actual ? actual.lost[index] : row
        return row?.lockedBy !== left?.lockedBy
      })
      if (held) reference.settle(worker, settlements)
      return { lost: reference.get(queue, ids) }
    },
    breaks({ expected, actual, before, drift }) {
      if ('lost' in expected || 'lost' in actual) {
        return 'lost' in expected && 'lost' in actual ? 'contract' : 'one owner'
      }
      return mostTelling([
        brokenBySettle({ expected: expected.settled, actual: actual.settled, before, drift }),
        brokenByClaim(
          { expected: expected.claimed, actual: actual.claimed, before, drift },
          queue,
          1,
        ),
      ])
    },
    became: (answer) =>
      'lost' in answer ? [leaseLost] : [...answer.settled, ...answer.claimed.rows.map(claimText)],
  }
}

/** See `TaskStore.beat`. */
export function beatCall(worker: WorkerRef): Call<StoreBeat | Lost> {
  return {
    text: `${worker.id} beats`,
    changes: worker.queue,
    ask: async (store) => {
      const beat = await orLost(store.beat(worker))
      return beat === leaseLost ? beat : inOrder(beat)
    },
    expect: (reference) => {
      const beat = reference.beat(worker)
      return beat === leaseLost ? beat : inOrder(beat)
    },
    breaks({ expected, actual, before, drift }) {
      // A lease that is over goes on, or one that is not does not.
      if (expected === leaseLost || actual === leaseLost) return 'one owner'
      const { rescueIn: sooner = Number.POSITIVE_INFINITY } = actual
      const { rescueIn = Number.POSITIVE_INFINITY } = expected
      if (sooner < rescueIn - drift) return 'one owner'
      const stolen = actual.held.some(({ id }) => {
        const holder = before.find(worker.queue, id)?.row.lockedBy
        return holder !== undefined && holder !== worker.id
      })
      return stolen ? 'one owner' : 'contract'
    },
    became: (answer) => (answer === leaseLost ? [answer] : answer.held.map(claimText)),
  }
}

function inOrder(beat: StoreBeat): StoreBeat {
  return { ...beat, held: beat.held.toSorted((one, other) => (one.id < other.id ? -1 : 1)) }
}

/** What a rescue took, and who is registered afterwards. */
interface Sweep {
  readonly rescued: readonly Rescued[]
  readonly registered: readonly string[]
}

/** See `TaskStore.rescue`. */
export function rescueCall(queue: string, limit: number): Call<Sweep> {
  const options = { maxRescues, poison }
  return {
    text: `somebody rescues up to ${limit} of ${queue}`,
    changes: queue,
    ask: async (store) => {
      const rescued = await store.rescue(queue, limit, options)
      const workers = await store.workers(queue)
      return sweepOf(rescued, workers)
    },
    expect(reference, { rescued, registered }) {
      const rows = rescued.map(({ row }) => row.id)
      const expected = reference.rescue(queue, limit, options, { rows, registered })
      return sweepOf(expected, reference.workers(queue))
    },
    breaks: (difference) => brokenByRescue(difference, queue),
    became: ({ rescued }) => rescued.map(({ row, outcome }) => `${row.id} is ${outcome}`),
  }
}

function sweepOf(rescued: readonly Rescued[], workers: readonly { readonly id: string }[]): Sweep {
  return {
    rescued: rescued.toSorted((one, other) => (one.row.id < other.row.id ? -1 : 1)),
    registered: workers.map(({ id }) => id).toSorted(),
  }
}

/** See `TaskStore.leave`. */
export function leaveCall(worker: WorkerRef): Call<void> {
  return {
    text: `${worker.id} leaves`,
    changes: worker.queue,
    ask: (store) => store.leave(worker),
    expect: (reference) => reference.leave(worker),
    breaks: () => 'contract',
  }
}

function brokenByClaim(
  { expected, actual, before, drift }: Difference<Claimed | Lost>,
  queue: string,
  suspects: number,
): Invariant {
  // Whoever is not trusted any more claims, or whoever is does not.
  if (expected === leaseLost || actual === leaseLost) return 'one owner'
  const names = actual.rows.map((row): Invariant => {
    const wanted = expected.rows.find(({ id }) => id === row.id)
    if (wanted !== undefined) {
      return differences(wanted, row, drift).length > 0
        ? brokenByFields(wanted, row, drift)
        : 'contract'
    }
    const known: Row | undefined = before.find(queue, row.id)?.row
    if (known === undefined) return 'contract'
    if (isFinished(known)) return 'terminal rows stay'
    return known.status === 'running' ? 'one owner' : 'order'
  })
  const sick = actual.rows.filter(({ rescues }) => rescues >= suspectRescues)
  if (sick.length > suspects) names.push('budgets')
  const idsOf = (rows: readonly ClaimedRow[]): string => JSON.stringify(rows.map(({ id }) => id))
  if (idsOf(expected.rows) !== idsOf(actual.rows)) names.push('order')
  return mostTelling(names)
}

function brokenBySettle({ expected, actual }: Difference<readonly StoreSettled[]>): Invariant {
  return expected.some((settled, index) => settled === 'stale' && actual[index] !== 'stale')
    ? 'fence'
    : 'contract'
}

function brokenByRescue({ expected, actual, before }: Difference<Sweep>, queue: string): Invariant {
  const names = actual.rescued.map(({ row, outcome }): Invariant => {
    const wanted = expected.rescued.find((one) => one.row.id === row.id)
    if (wanted === undefined) return before.find(queue, row.id) ? 'one owner' : 'contract'
    const { rescues, attempt } = wanted.row
    const same = wanted.outcome === outcome && rescues === row.rescues && attempt === row.attempt
    return same ? 'contract' : 'budgets'
  })
  // What nobody rescues never ends.
  if (actual.rescued.length < expected.rescued.length) names.push('nothing lost')
  // Whose tasks were taken must hear that the lease is over, and nobody else.
  if (differences(expected.registered, actual.registered, 0).length > 0) names.push('one owner')
  return mostTelling(names)
}

function settleText({ id: worker }: WorkerRef, settlements: readonly StoreSettlement[]): string {
  const texts = settlements.map(({ id, epoch, outcome }) => {
    const { type, ...details } = outcome
    const text = Object.entries(details).map(([key, value]) =>
      typeof value === 'object' ? `with an ${key}` : `${key} ${value}`,
    )
    return `${claimText({ id, epoch })} as ${[type, ...text].join(' ')}`
  })
  return `${worker} settles ${several(texts)}`
}

function claimText({ id, epoch }: { readonly id: string; readonly epoch: number }): string {
  return `${id}#${epoch}`
}
