import assert from 'node:assert/strict'
import type { Counts, Row, TaskStore } from '../../storage/task-store.ts'
import { sleep, systemClock, turn } from '../../time/clock.ts'
import type { CallerTransaction, ExchangingStore, Harness } from '../harness.ts'
import { Process, type ProcessOptions } from '../process.ts'

/** Turns of the event loop without any call to a store after which everything counts as at rest. */
const QUIET_TURNS = 10
/** What is awaited gets so many turns at once, then one every millisecond. */
const QUICK_TURNS = 1_000
/** And so many altogether: far more than any store needs, few enough to end with a message. */
const MOST_TURNS = 16_000

/** Where a case takes place: processes that share a storage, and time that only the case moves. */
export class World<Tx> {
  readonly harness: Harness<Tx>
  /** How many tasks the case of the yielding loop runs at least. */
  readonly many: number
  readonly #processes: Process<Tx>[] = []
  #store: Promise<TaskStore<Tx>> | undefined

  constructor(harness: Harness<Tx>, many: number) {
    this.harness = harness
    this.many = many
  }

  /** Starts another process. */
  async process(options: ProcessOptions = {}): Promise<Process<Tx>> {
    const store = await this.harness.open()
    const process = new Process(store, this.harness.clock, options)
    this.#processes.push(process)
    return process
  }

  /** A connection of the case's own, which never fails. */
  store(): Promise<TaskStore<Tx>> {
    this.#store ??= this.harness.open()
    return this.#store
  }

  /** The same, of a store that settles and claims in one round trip. */
  async exchangingStore(): Promise<ExchangingStore<Tx>> {
    const store = await this.store()
    assert.ok(
      hasExchange(store),
      'the store has no `exchange`: give the reason in `without.exchange`',
    )
    return store
  }

  /** One stored row. */
  async row(queue: string, id: string): Promise<Row> {
    const [row] = await (await this.store()).get(queue, [id])
    assert.ok(row, `task ${id} of queue ${queue} is not stored`)
    return row
  }

  /** Every row of a queue, in order of insertion. */
  async rows(queue: string): Promise<readonly Row[]> {
    const store = await this.store()
    const rows: Row[] = []
    for (;;) {
      const page = await store.list(queue, { offset: rows.length, limit: 1_000 })
      rows.push(...page)
      if (page.length < 1_000) return rows
    }
  }

  /** How many rows there are by status. */
  async counts(queue: string): Promise<Counts> {
    return (await this.store()).count(queue)
  }

  /** Begins a transaction of the caller's. */
  begin(): Promise<CallerTransaction<Tx>> {
    assert.ok(
      this.harness.begin !== undefined,
      'the harness has no `begin`: give the reason in `without.transactions`',
    )
    return this.harness.begin()
  }

  /** Runs the program that only pushes; rejects where it fails or does not end. */
  async runProducer(queue: string): Promise<void> {
    assert.ok(
      this.harness.runProducer !== undefined,
      'the harness has no `runProducer`: give the reason in `without.producer`',
    )
    await this.harness.runProducer(queue)
  }

  /** Moves time by `ms`, everything at rest before each `step` and at the end. */
  async advance(ms: number, { step = 1_000 }: { readonly step?: number } = {}): Promise<void> {
    await this.quiet()
    for (let left = ms; left > 0; left -= step) {
      await this.harness.advance(Math.min(step, left))
      await this.quiet()
    }
  }

  /** Waits until no process calls its store any more. */
  async quiet(): Promise<void> {
    let still = 0
    for (let turns = 0; turns < MOST_TURNS; turns += 1) {
      const before = this.#activity()
      const busy = this.#processes.some(({ wire }) => wire.inFlight > 0)
      await pace(busy ? turns : 0)
      if (busy || this.#activity() !== before) still = 0
      else still += 1
      if (still === QUIET_TURNS) return
    }
    assert.fail('the processes never come to rest: they call their stores in a loop')
  }

  /** Waits, without moving time, until `condition` holds. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let turns = 0; turns < MOST_TURNS; turns += 1) {
      if (await condition()) return
      await pace(turns)
    }
    assert.fail(`waited in vain for this: ${what}`)
  }

  /** Moves time by at most `ms` until `condition` holds. */
  async within(
    ms: number,
    what: string,
    condition: () => boolean | Promise<boolean>,
  ): Promise<void> {
    const step = Math.min(1_000, Math.max(50, ms / 20))
    for (let passed = 0; passed < ms; passed += step) {
      await this.quiet()
      if (await condition()) return
      await this.harness.advance(Math.min(step, ms - passed))
    }
    await this.until(`within ${ms} ms, ${what}`, condition)
  }

  /** Ends the processes as a crash would, then the data. */
  async close(): Promise<void> {
    for (const process of this.#processes) process.die()
    await this.harness.close()
  }

  #activity(): number {
    return this.#processes.reduce((sum, { wire }) => sum + wire.activity, 0)
  }
}

function hasExchange<Tx>(store: TaskStore<Tx>): store is ExchangingStore<Tx> {
  return store.exchange !== undefined
}

/** One turn of the event loop; a real millisecond once there were many. */
async function pace(turns: number): Promise<void> {
  if (turns < QUICK_TURNS) await turn()
  else await sleep(systemClock, 1)
}
