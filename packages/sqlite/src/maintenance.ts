import { systemClock } from '@apalis/core'
import type { Database } from './database.ts'
import { fileAt } from './database-file.ts'
import type { Transactions } from './transactions.ts'

/** How the log is kept bounded. */
export interface LogOptions {
  /** One of so many bytes is brought into the file with some insistence, and cut: readers have kept it from being reused. */
  readonly largestLog: number
  /** How often that is looked at, and tried, in milliseconds. */
  readonly everyMs: number
}

const LOG: LogOptions = { largestLog: 64 * 2 ** 20, everyMs: 1_000 }
/** The file keeps so much free space for rows to come: a quarter, and not less than 4 MiB. */
const KEPT = { part: 4, pages: 1_024 } as const
/** So many pages are moved in one transaction. */
const PAGES_AT_ONCE = 256
/** And so many times after one purge. */
const MOST_STEPS = 16

/** Keeps the log bounded and gives space back that nobody needs. */
export class Maintenance {
  readonly #database: Database
  readonly #transactions: Transactions
  readonly #log: LogOptions
  #lookAt = 0
  #closed = false

  constructor(database: Database, transactions: Transactions, log: LogOptions = LOG) {
    this.#database = database
    this.#transactions = transactions
    this.#log = log
  }

  /**
   * SQLite brings the log into the file by itself, as far as readers let it, and begins it anew once nobody reads from it.
   * Where readers overlap for ever that never happens: then this waits for them, for no longer than any call may wait.
   */
  boundLog(): void {
    const { file } = this.#database
    const now = systemClock.monotonic()
    if (now < this.#lookAt || file === undefined) return
    this.#lookAt = now + this.#log.everyMs
    const size = fileAt(file.log)?.size ?? 0n
    if (size >= this.#log.largestLog) setImmediate(() => this.#checkpoint())
  }

  /** Gives free space back to the disk, where there is a lot. Only files that were made for it can. */
  async shrink(): Promise<void> {
    for (let step = 0; step < MOST_STEPS && !this.#closed; step += 1) {
      const moved = await this.#transactions.write('shrink', () => this.#shrink(), {
        durable: false,
      })
      if (!moved) return
    }
  }

  /** Leaves everything in the file itself, unless others are at work with it. */
  close(): void {
    this.#closed = true
    this.#checkpoint()
  }

  #checkpoint(): void {
    if (this.#database.file === undefined || this.#database.problem() !== undefined) return
    try {
      this.#database.sql.rows('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // Others are at work with the file, or something is wrong with it that the next call will tell.
    }
  }

  #shrink(): boolean {
    const { sql, client } = this.#database
    const free = Number(sql.value('PRAGMA freelist_count'))
    const kept = Math.max(KEPT.pages, Number(sql.value('PRAGMA page_count')) / KEPT.part)
    if (free <= kept || sql.value('PRAGMA auto_vacuum') !== INCREMENTAL) return false
    client.exec(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`)
    return true
  }
}

/** What `PRAGMA auto_vacuum` says of a file that can be shrunk step by step. */
const INCREMENTAL = 2
