import {
  type BoundWorkerBuilder,
  constant,
  type Event,
  type Queue,
  type QueueContext,
  type QueueOptions,
  Storage,
  type Worker,
  WorkerBuilder,
} from '@apalis/core'
import { TestClock } from '@apalis/core/testing'
import { DatabaseSync } from 'node:sqlite'
import type { SqliteTransaction } from '../../src/client.ts'
import { statusOf } from '../../src/rows.ts'
import type { SqliteStore } from '../../src/sqlite-store.ts'
import { openStore } from '../support/stores.ts'

/** What the database says of a task. */
export interface StoredTask {
  readonly status: string
  readonly attempt: number
  readonly releases: number
  /** In how many milliseconds it runs again; absent when it does not. */
  readonly dueIn?: number
  /** The messages of its failed runs. */
  readonly failures?: readonly string[]
}

/** A claim that the database was asked for. */
export interface AskedClaim {
  /** In milliseconds since the beginning. */
  readonly at: number
  readonly limit: number
  readonly rows: number
}

/** The queue of a {@link Lab}. */
export type LabQueue<Args> = Queue<Args, Args, unknown, SqliteTransaction>

/** A queue in an SQLite database, with virtual time, and a view of what stands in the database. */
export class Lab implements AsyncDisposable {
  readonly clock = new TestClock()
  readonly claims: AskedClaim[] = []
  readonly events: Event[] = []
  readonly #workers: { readonly worker: { abort(): void }; readonly running: Promise<void> }[] = []
  readonly #connection = new DatabaseSync(':memory:')
  readonly #started = this.clock.now()
  #storage: Storage<SqliteTransaction> | undefined

  /** A queue whose failed tasks are due again after a second. */
  async queue<Args>(options: QueueOptions<Args, Args, unknown> = {}): Promise<LabQueue<Args>> {
    const store = await openStore(':memory:', {
      clock: this.clock,
      connect: () => this.#connection,
    })
    const note = (limit: number, rows: number): void => {
      this.claims.push({ at: this.clock.now() - this.#started, limit, rows })
    }
    this.#storage = new Storage(watched(store, note), { clock: this.clock })
    return this.#storage.queue<Args>('work', { backoff: constant('1s'), ...options })
  }

  /** A worker that runs until the lab is disposed. */
  run<Args>(
    queue: LabQueue<Args>,
    build: (builder: BoundWorkerBuilder<Args, unknown, {}, QueueContext>) => Worker<Args>,
  ): Worker<Args> {
    const name = `worker ${this.#workers.length + 1}`
    const worker = build(new WorkerBuilder(name).backend(queue))
    worker.listen((event) => this.events.push(event))
    this.#workers.push({ worker, running: worker.run() })
    return worker
  }

  /** What stands in the database, in the order of the pushes. */
  tasks(): readonly StoredTask[] {
    const rows = this.#connection
      .prepare(
        `SELECT status, attempt, releases, run_at, apalis_failure.failures AS failures
           FROM apalis_task LEFT JOIN apalis_failure ON task = seq ORDER BY seq`,
      )
      .all()
    return rows.map(({ status: code, attempt, releases, run_at: runAt, failures }) => {
      const status = statusOf(code) ?? 'unusable'
      const waits = status === 'pending' || status === 'failed'
      return {
        status,
        attempt: Number(attempt),
        releases: Number(releases),
        ...(waits && { dueIn: Math.max(0, Number(runAt) - this.clock.now()) }),
        ...(typeof failures === 'string' && { failures: messages(failures) }),
      }
    })
  }

  /** How many tasks the database has of each status. */
  counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { status } of this.tasks()) counts[status] = (counts[status] ?? 0) + 1
    return counts
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { worker } of this.#workers) worker.abort()
    // Handlers that never end are left behind.
    await this.clock.advance('3s')
    await Promise.all(this.#workers.map(({ running }) => running))
    await this.#storage?.close()
  }
}

/** A store that tells every claim it was asked for, and how many tasks it gave. */
function watched(store: SqliteStore, note: (limit: number, rows: number) => void): SqliteStore {
  return new Proxy(store, {
    get(target, key) {
      if (key === 'claim') {
        return async (...args: Parameters<SqliteStore['claim']>) => {
          const claimed = await target.claim(...args)
          note(args[1], claimed.rows.length)
          return claimed
        }
      }
      if (key === 'exchange') {
        return async (...args: Parameters<SqliteStore['exchange']>) => {
          const exchanged = await target.exchange(...args)
          note(args[2], exchanged.claimed.rows.length)
          return exchanged
        }
      }
      const member: unknown = Reflect.get(target, key)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function messages(failures: string): string[] {
  const parsed = JSON.parse(failures) as readonly { readonly message: string }[]
  return parsed.map(({ message }) => message)
}
