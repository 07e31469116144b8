import type { Beat } from '../backend/backend.ts'
import { isBackendError } from '../errors/backend-errors.ts'
import { isLeaseLostError } from '../errors/task-errors.ts'
import { channels, published } from '../service/diagnostics.ts'
import type { WorkerContext } from '../service/worker-context.ts'
import type { TaskId } from '../task/task-id.ts'
import type { ClaimsDeps } from './claims-deps.ts'
import { Ledger, type LedgerEntry } from './ledger.ts'
import type { QueueCore } from './queue-core.ts'
import { RoundTrips } from './round-trips.ts'
import { type ProcessScope, thisProcess } from './process-scope.ts'
import {
  type Claim,
  type ClaimedRow,
  type StoreBeat,
  type StoreWorker,
  suspectRescues,
  type TaskStore,
} from './task-store.ts'

/** What a claim brought. */
export interface ClaimedTasks {
  /** In the order to run them. */
  readonly rows: readonly ClaimedRow[]
  /** One for each row. */
  readonly entries: readonly LedgerEntry[]
  /** In how many milliseconds the next row will be due. */
  readonly dueIn: number | undefined
}

/** The part of the lease after which a worker no longer trusts it. */
const TRUSTED_PART = 5 / 6

/** One incarnation of a worker on a queue: its registration, its claims, and the agreement of both sides about them. */
export class Incarnation {
  readonly worker: WorkerContext
  readonly ref: StoreWorker
  readonly ledger: Ledger = new Ledger()
  readonly trips: RoundTrips
  readonly #deps: ClaimsDeps<unknown, unknown>
  readonly #scope: ProcessScope
  #registering: Promise<void> | undefined
  /** A claim's outcome is unknown: the next call is a beat. */
  #doubt: PromiseWithResolvers<void> | undefined
  /** Permits of claims whose outcome is unknown. */
  #doubtfulPermits: object[] = []
  /** Asks for a beat now. */
  hurry: () => void = () => {}
  /** Is told when a beat says that something is due. */
  onDue: (dueInMs: number) => void = () => {}
  /** Whether the last claim may have left suspects: another had the permit, or it served for one of them. */
  deniedSuspects: boolean = false

  constructor(deps: ClaimsDeps<unknown, unknown>, worker: WorkerContext) {
    this.#deps = deps
    this.#scope = deps.scope ?? thisProcess
    this.worker = worker
    this.ref = {
      id: worker.id,
      name: worker.name,
      queue: deps.queue,
      leaseMs: deps.leaseMs,
      layers: worker.layers.map((layer) => layer.name),
    }
    this.trips = new RoundTrips(deps.store, this.ref)
  }

  /** Settles once the storage knows the incarnation; a failed registration is tried again by the next call. */
  registered(): Promise<void> {
    this.#registering ??= this.#deps.store.register(this.ref).catch((error: unknown) => {
      this.#registering = undefined
      throw error
    })
    return this.#registering
  }

  /** Settles when no registration is under way, however it ended. */
  async registrationEnded(): Promise<void> {
    await this.#registering?.catch(() => undefined)
  }

  /** Settles when no claim of unknown outcome is left unanswered by a beat. */
  async certain(): Promise<void> {
    await this.#doubt?.promise
  }

  /** Claims rows. */
  claim(limit: number): Promise<ClaimedTasks> {
    const { id: incarnation, queue } = this.ref
    return published(
      channels.claim,
      this.#deps.clock,
      () => this.#claim(limit),
      ({ durationMs, ...went }) => ({
        queue,
        incarnation,
        limit,
        ids: 'value' in went ? went.value.rows.map(({ id }) => id) : [],
        durationMs,
        ...('error' in went && { error: went.error }),
      }),
    )
  }

  async #claim(limit: number): Promise<ClaimedTasks> {
    const permit = {}
    const suspects = this.#scope.take(permit) ? 1 : 0
    const call = this.ledger.callBegins()
    try {
      const claimed = await this.trips.claim(limit, { suspects })
      const suspect = suspects === 1 ? claimed.rows.find(isSuspect) : undefined
      this.deniedSuspects = claimed.rows.length < limit && (suspects === 0 || suspect !== undefined)
      if (suspect === undefined) this.#scope.give(permit)
      const { dueIn } = claimed
      const rows = suspect === undefined ? claimed.rows : suspectFirst(claimed.rows, suspect)
      const { id } = this.ref
      const entries = rows.map((row) =>
        this.ledger.add(row, id, row === suspect ? permit : undefined),
      )
      return { rows, entries, dueIn }
    } catch (error) {
      if (isLeaseLostError(error) || (isBackendError(error) && error.applied === 'no')) {
        this.#scope.give(permit)
      } else {
        this.#doubtfulPermits.push(permit)
        this.#doubt ??= Promise.withResolvers<void>()
        this.hurry()
      }
      throw error
    } finally {
      this.ledger.callEnds(call)
    }
  }

  /** Whether a suspect that was left may be claimed now. */
  get suspectsLeft(): boolean {
    return this.deniedSuspects && this.#scope.free
  }

  /** Calls back when a suspect that was left may be claimed. */
  onPermit(callback: () => void): () => void {
    return this.#scope.onFree(callback)
  }

  /** A claim has ended, or was lost. */
  ended(entry: LedgerEntry): void {
    this.ledger.remove(entry)
    if (entry.permit !== undefined) this.#scope.give(entry.permit)
  }

  /** Everything that it held is lost or given back. */
  close(): void {
    for (const entry of this.ledger.clear()) this.ended(entry)
    this.#endDoubt()
  }

  /** Renews the lease and makes both sides agree. Throws when the beat fails. */
  async beat(): Promise<{ readonly beat: Beat; readonly stored: StoreBeat }> {
    const { clock, store } = this.#deps
    const view = this.ledger.beatBegins()
    const settlesDoubt = this.#doubt !== undefined && !view.open
    const begun = clock.monotonic()
    let stored: StoreBeat
    try {
      stored = await store.beat(this.ref)
    } catch (error) {
      this.ledger.beatFailed()
      throw error
    }
    const { revoked, unknown } = this.ledger.compare(view, stored.held)
    if (unknown.length > 0) await this.#release(unknown)
    if (settlesDoubt) this.#endDoubt()
    const beat = { paused: stored.paused, revoked: await this.#explain(revoked) }
    const trustMs = stored.leaseMs * TRUSTED_PART - (clock.monotonic() - begun)
    return { beat: { ...beat, trustMs }, stored }
  }

  async #release(claims: readonly Claim[]): Promise<void> {
    const settlements = claims.map(({ id, epoch }) => ({
      id,
      epoch,
      outcome: { type: 'released', dueInMs: 0 } as const,
    }))
    try {
      await this.#deps.store.settle(this.ref, settlements)
      this.#deps.channel.wake()
    } catch (error) {
      if (isLeaseLostError(error)) throw error
      // The lease is renewed all the same, and what runs goes on. The next beat lists them again.
      this.worker.emit({ type: 'error', operation: 'release', error })
    }
  }

  /** Whether each claim that is gone was killed, or taken. */
  async #explain(revoked: readonly LedgerEntry[]): Promise<Beat['revoked']> {
    if (revoked.length === 0) return []
    for (const entry of revoked) if (entry.completed === undefined) this.ended(entry)
    const reasons = await whyStale(this.#deps, revoked)
    return revoked.flatMap((entry, index) => {
      const { id, epoch } = entry
      const reason = reasons[index] ?? 'taken'
      // Its handler has more to do, and then settles it once more.
      if (reason === 'completed') entry.carried = true
      else if (entry.completed !== undefined && this.ledger.holds(entry)) this.ended(entry)
      return reason === 'completed' ? [] : [{ id: id as TaskId, epoch, reason }]
    })
  }

  #endDoubt(): void {
    const doubt = this.#doubt
    this.#doubt = undefined
    for (const permit of this.#doubtfulPermits.splice(0)) this.#scope.give(permit)
    doubt?.resolve()
  }
}

/** What has become of a claim that the storage has no longer. */
export type WhyStale = 'cancelled' | 'taken' | 'completed'

/** A claim that the storage may have no longer. */
export interface StaleClaim extends Claim {
  readonly completed?: LedgerEntry['completed']
}

/** Why nothing could be written for these claims: killed meanwhile, somebody else's by now, or settled by their own handler. */
export async function whyStale(
  deps: Pick<QueueCore, 'queue'> & { readonly store: Pick<TaskStore, 'get'> },
  claims: readonly StaleClaim[],
): Promise<readonly WhyStale[]> {
  try {
    const rows = await deps.store.get(
      deps.queue,
      claims.map(({ id }) => id),
    )
    return claims.map(({ epoch, completed }, index) => {
      const row = rows[index]
      if (completed !== undefined && row?.status === 'done' && row.epoch === epoch) {
        return 'completed'
      }
      // A running task cannot be removed: one that is gone was killed first.
      return row === undefined || row.status === 'killed' ? 'cancelled' : 'taken'
    })
  } catch {
    // It only says why: that the claim is gone is certain.
    return claims.map(() => 'taken')
  }
}

/** It gets the slot that is free now; others may wait for one. */
function suspectFirst(rows: readonly ClaimedRow[], suspect: ClaimedRow): readonly ClaimedRow[] {
  return [suspect, ...rows.filter((row) => row !== suspect)]
}

function isSuspect({ rescues }: ClaimedRow): boolean {
  return rescues >= suspectRescues
}
