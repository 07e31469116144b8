import {
  type Changed,
  type Claimed,
  type ClaimOptions,
  type Counts,
  type Inserted,
  type InsertOptions,
  LeaseLostError,
  type ListFilter,
  type NewRow,
  type PurgeOptions,
  type QueueState,
  type Rescued,
  type RescueOptions,
  type Retried,
  type Row,
  type RowChanges,
  type StoreBeat,
  type StoredError,
  type StoreSettled,
  type StoreSettlement,
  type StoreSignal,
  type StoreWorker,
  type TaskStore,
  type WorkerRef,
  type WorkerRow,
} from '@apalis/core'
import type { Calls } from './calls.ts'
import type { PostgresTransaction } from './client.ts'
import { checkOrder, insertRows } from './insert.ts'
import type { Link } from './link.ts'
import { list, toClaimed, toRow, toRows } from './rows.ts'
import { sentSettlements, type SettleAnswer, toSettled } from './settle.ts'
import { dueMessage, Signals } from './signals.ts'
import { DONE, FAILED, KILLED, PENDING, RUNNING } from './sql/tables.ts'
import { toBackendError } from './postgres-errors.ts'

/** A store over a connection. */
export interface PostgresStoreDeps {
  readonly link: Link
  readonly calls: Calls
  readonly schema: string
  readonly timeoutMs: number
  /** What its statements add to the server's time, in milliseconds: for tests that move time. */
  readonly clockOffset: () => number
}

const CODES = { pending: PENDING, running: RUNNING, done: DONE, failed: FAILED, killed: KILLED }
const NOTHING = { ids: null, epochs: null, results: null, others: null } as const
const URGENT = { urgent: true } as const

/** The primitives of a storage in PostgreSQL: each one call of a function in its schema. */
export class PostgresStore implements TaskStore<PostgresTransaction> {
  readonly #deps: PostgresStoreDeps
  readonly #calls: Calls
  readonly #signals: Signals
  /** Queues that were stored outside of any transaction of the caller's. */
  readonly #opened = new Set<string>()
  #closing: Promise<void> | undefined

  constructor(deps: PostgresStoreDeps) {
    this.#deps = deps
    this.#calls = deps.calls
    const { link, schema, timeoutMs } = deps
    this.#signals = new Signals({
      sender: crypto.randomUUID(),
      send: (payload) => link.run('SELECT pg_notify($1, $2)', [schema, payload], { timeoutMs }),
    })
  }

  async insert(
    queue: string,
    rows: readonly NewRow[],
    options: InsertOptions<PostgresTransaction> = {},
  ): Promise<readonly Inserted[]> {
    if (options.within !== undefined) await this.#open(queue)
    const deps = { calls: this.#calls, offset: this.#offset, tell: dueMessage(queue) }
    const inserted = await insertRows(deps, queue, rows, options)
    if (options.within === undefined && inserted.some(({ existing }) => !existing)) {
      this.#signals.tell([{ type: 'due', queue }])
    }
    return inserted
  }

  async register({ queue, id, name, layers, leaseMs }: StoreWorker): Promise<void> {
    const values = [queue, id, name, JSON.stringify(layers), Math.ceil(leaseMs), this.#offset]
    await this.#calls.call('register', 'register_1', values, URGENT)
  }

  async claim(worker: WorkerRef, limit: number, { suspects }: ClaimOptions): Promise<Claimed> {
    const { claimed } = await this.#exchange('claim', worker, NOTHING, limit, suspects)
    return claimed ?? { rows: [] }
  }

  async settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    { within }: { readonly within?: PostgresTransaction } = {},
  ): Promise<readonly StoreSettled[]> {
    if (settlements.length === 0) return []
    const sent = sentSettlements(settlements)
    const { settled } = await this.#exchange('settle', worker, sent, null, 0, within)
    return toSettled(sent, settled ?? { late: null })
  }

  async exchange(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    limit: number,
    { suspects }: ClaimOptions,
  ): Promise<{ readonly settled: readonly StoreSettled[]; readonly claimed: Claimed }> {
    const sent = sentSettlements(settlements)
    const { settled, claimed } = await this.#exchange('exchange', worker, sent, limit, suspects)
    return { settled: toSettled(sent, settled ?? { late: null }), claimed: claimed ?? { rows: [] } }
  }

  async beat({ queue, id }: WorkerRef): Promise<StoreBeat> {
    const beat = await this.#calls.json('beat', 'beat_1', [queue, id, this.#offset], URGENT)
    if (beat === undefined) throw new LeaseLostError(id)
    const { leaseMs, paused, held, dueIn, rescueIn } = beat as SentBeat
    return {
      leaseMs,
      held: held.map(([task, epoch]) => ({ id: task, epoch })),
      paused,
      ...(dueIn !== null && { dueIn }),
      ...(rescueIn !== null && { rescueIn }),
    }
  }

  async rescue(
    queue: string,
    limit: number,
    { maxRescues, poison }: RescueOptions,
  ): Promise<readonly Rescued[]> {
    const values = [queue, limit, maxRescues, JSON.stringify(poison), this.#offset]
    const { rows, awaited } = (await this.#calls.json('rescue', 'rescue_1', values)) as {
      readonly rows: readonly (readonly unknown[])[]
      readonly awaited: readonly string[] | null
    }
    const rescued = rows.flat().map((sent): Rescued => {
      const row = toRow(sent)
      return { row, outcome: row.status === 'killed' ? 'killed' : 'pending' }
    })
    this.#told(queue, { due: rescued.some(({ outcome }) => outcome === 'pending'), awaited })
    return rescued
  }

  async leave({ queue, id }: WorkerRef): Promise<void> {
    const released = await this.#calls.call('leave', 'leave_1', [queue, id, this.#offset])
    this.#told(queue, { due: released === true })
  }

  async listen(
    onSignal: (signal: StoreSignal) => void,
    onEnd: (error: unknown) => void = () => {},
  ): Promise<AsyncDisposable> {
    const { link, schema, timeoutMs } = this.#deps
    const remove = this.#signals.add(onSignal)
    try {
      const listening = await link.listen(
        schema,
        ({ channel, payload }) => {
          if (channel === schema) this.#signals.heard(payload)
        },
        (error) => {
          remove()
          onEnd(toBackendError('listen', error))
        },
        { timeoutMs },
      )
      return {
        [Symbol.asyncDispose]: async () => {
          remove()
          await listening[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      remove()
      throw toBackendError('listen', error)
    }
  }

  async watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    const found = await this.get(queue, ids)
    if (!found.some((row) => row !== undefined && !isFinished(row))) return found
    await this.#calls.call('watch', 'mark_1', [queue, ids])
    return toRows(await this.#calls.json('watch', 'watch_1', [queue, ids]))
  }

  async get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return toRows(await this.#calls.json('get', 'get_1', [queue, ids]))
  }

  async list(queue: string, { status, offset, limit }: ListFilter): Promise<readonly Row[]> {
    const code = status === undefined ? null : CODES[status]
    return list(await this.#calls.json('list', 'list_1', [queue, code, offset, limit])).map(toRow)
  }

  async count(queue: string): Promise<Counts> {
    const { oldestDueMs, ...counts } = (await this.#calls.json('count', 'count_1', [
      queue,
      this.#offset,
    ])) as Omit<Counts, 'oldestDueMs'> & { readonly oldestDueMs: number | null }
    return oldestDueMs === null ? counts : { ...counts, oldestDueMs }
  }

  async queues(): Promise<readonly QueueState[]> {
    // Names and switches, as the function makes them.
    return list(await this.#calls.json('list queues', 'queues_1', [])) as readonly QueueState[]
  }

  async workers(queue?: string): Promise<readonly WorkerRow[]> {
    const values = [queue ?? null, this.#offset]
    // As the function makes them.
    return list(await this.#calls.json('list workers', 'workers_1', values)) as readonly WorkerRow[]
  }

  async update(queue: string, id: string, changes: RowChanges): Promise<Changed> {
    const { runAt, priority } = changes
    checkOrder('update', {
      id,
      ...(priority !== undefined && { priority }),
      ...(runAt !== undefined && { runAt }),
    })
    const values = [queue, id, JSON.stringify(changes), this.#offset]
    const status = await this.#calls.call('update', 'update_1', values)
    if (typeof status === 'string') return unchanged(status)
    this.#told(queue, { due: true })
    return { changed: true }
  }

  async kill(queue: string, id: string, error: StoredError): Promise<boolean> {
    const values = [queue, id, JSON.stringify(error), this.#offset]
    const killed = await this.#calls.json('kill', 'kill_1', values)
    if (killed === undefined) return false
    const { running, awaited } = killed as {
      readonly running: boolean
      readonly awaited: readonly string[] | null
    }
    this.#told(queue, { awaited })
    if (running) this.#signals.tell([{ type: 'killed', queue, ids: [id] }])
    return true
  }

  async take(queue: string, id: string): Promise<boolean> {
    const taken = await this.#calls.call('take', 'take_1', [queue, id, this.#offset])
    this.#told(queue, { due: taken === true })
    return taken === true
  }

  async retry(
    queue: string,
    id: string,
    { resetAttempts }: { readonly resetAttempts: boolean },
  ): Promise<Retried> {
    const values = [queue, id, resetAttempts, this.#offset]
    const refused = await this.#calls.json('retry', 'retry_1', values)
    if (refused === undefined) {
      this.#told(queue, { due: true })
      return { changed: true }
    }
    const { status, holder } = refused as {
      readonly status?: string | null
      readonly holder?: string
    }
    return holder === undefined ? unchanged(status) : { changed: false, holder }
  }

  async remove(queue: string, id: string): Promise<Changed> {
    const { removed, status, awaited } = (await this.#calls.json('remove', 'remove_1', [
      queue,
      id,
      this.#offset,
    ])) as {
      readonly removed?: true
      readonly status?: string | null
      readonly awaited?: readonly string[] | null
    }
    if (removed !== true) return unchanged(status)
    this.#told(queue, { awaited: awaited ?? null })
    return { changed: true }
  }

  async pause(queue: string, on: boolean): Promise<void> {
    const operation = on ? 'pause' : 'resume'
    const switched = await this.#calls.call(operation, 'pause_1', [queue, on])
    if (switched === true) this.#signals.tell([{ type: on ? 'paused' : 'resumed', queue }])
  }

  async purge(queue: string, { status, olderThanMs, limit }: PurgeOptions): Promise<number> {
    const values = [queue, CODES[status], Math.floor(olderThanMs), limit, this.#offset]
    return Number(await this.#calls.call('purge', 'purge_1', values))
  }

  /** Frees what is the storage's own; the connection, pool or database that the caller gave stays open. */
  close(): Promise<void> {
    this.#signals.close()
    this.#closing ??= this.#deps.link.close()
    return this.#closing
  }

  get #offset(): number {
    return this.#deps.clockOffset()
  }

  async #exchange(
    operation: string,
    { queue, id }: WorkerRef,
    { ids, epochs, results, others }: Exchanged,
    limit: number | null,
    suspects: number,
    within?: PostgresTransaction,
  ): Promise<{ readonly settled?: SettleAnswer; readonly claimed?: Claimed }> {
    const values = [queue, id, ids, epochs, results, others, limit, suspects, this.#offset]
    const answer = await this.#calls.json(operation, 'exchange_1', values, { within })
    const { lost, settled, claimed } = answer as SentExchange
    if (lost === true) throw new LeaseLostError(id)
    if (settled !== null) this.#told(queue, settled)
    return {
      ...(settled !== null && { settled }),
      ...(claimed !== null && { claimed: toClaimed(claimed) }),
    }
  }

  /** Stores the queue's name by itself: in a transaction of the caller's it would be in everybody's way until that ends. */
  async #open(queue: string): Promise<void> {
    if (this.#opened.has(queue)) return
    await this.#calls.call('insert', 'queue_1', [queue])
    this.#opened.add(queue)
  }

  #told(
    queue: string,
    {
      due = false,
      awaited,
    }: { readonly due?: boolean; readonly awaited?: readonly string[] | null },
  ): void {
    const signals: StoreSignal[] = []
    if (due) signals.push({ type: 'due', queue })
    if (awaited !== null && awaited !== undefined) {
      signals.push({ type: 'settled', queue, ids: awaited })
    }
    if (signals.length > 0) this.#signals.tell(signals)
  }
}

interface Exchanged {
  readonly ids: readonly string[] | null
  readonly epochs: readonly number[] | null
  readonly results: readonly (string | null)[] | null
  readonly others: string | null
}

interface SentExchange {
  readonly lost?: true
  readonly settled: SettleAnswer | null
  readonly claimed: unknown
}

interface SentBeat {
  readonly leaseMs: number
  readonly paused: boolean
  readonly held: readonly (readonly [id: string, epoch: number])[]
  readonly dueIn: number | null
  readonly rescueIn: number | null
}

function isFinished({ status }: Row): boolean {
  return status === 'done' || status === 'killed'
}

/** An empty text is no row's. */
function unchanged(status: string | null | undefined): Changed {
  if (status === null || status === undefined || status === '') return { changed: false }
  // What `status_1` says of any row.
  return { changed: false, status: status as Row['status'] }
}
