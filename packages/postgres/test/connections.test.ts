import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Event, type Worker, WorkerBuilder, sleep, systemClock } from '@apalis/core'
import { TestClock } from '@apalis/core/testing'
import { Pool } from 'pg'
import { PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findOwnPostgres } from './support/server.ts'

const found = findOwnPostgres()
const skip = found.missing
const server = await found.open?.({ settings: { log_statement: 'all' } })
after(() => server?.[Symbol.asyncDispose]())

/** What the client of the storage is not made for. */
const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))

const names = Array.from({ length: 20 }, (_, index) => `queue ${index}`)

/** A worker for each of twenty queues of one storage. */
class Twenty {
  readonly events: Event[] = []
  readonly #workers: readonly Worker<number, void>[]
  readonly #ended: readonly Promise<void>[]
  #look: () => void = () => {}

  constructor(storage: PostgresStorage, handler: (args: number) => Promise<void> | void) {
    this.#workers = names.map((name) =>
      new WorkerBuilder(name)
        .backend(storage.queue<number>(name))
        .onEvent((event) => {
          this.events.push(event)
          this.#look()
        })
        .build(handler),
    )
    this.#ended = this.#workers.map((worker) => worker.run())
  }

  /** Settles when each worker has had so many events of a type. */
  each(type: Event['type'], count: number): Promise<void> {
    return this.#until(() => names.every((name) => this.#count(type, name) >= count))
  }

  /** Settles when each has had one more than now. */
  oneMore(type: Event['type']): Promise<void> {
    const before = names.map((name) => this.#count(type, name))
    return this.#until(() =>
      names.every((name, index) => this.#count(type, name) > (before[index] ?? 0)),
    )
  }

  #count(type: Event['type'], name: string): number {
    return this.events.filter((event) => event.type === type && event.worker === name).length
  }

  #until(condition: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#look = () => {
      if (condition()) resolve()
    }
    this.#look()
    return promise
  }

  async stop(): Promise<void> {
    for (const { context } of this.#workers) context.stop()
    await Promise.all(this.#ended)
  }
}

async function pushToEach(storage: PostgresStorage): Promise<void> {
  await Promise.all(names.map((name, index) => storage.queue<number>(name).push(index)))
}

test(
  'twenty queues and workers share four connections, one of which listens',
  { skip },
  async () => {
    assert.ok(server !== undefined)
    const [url, schema] = [await server.database(), freshSchema()]
    const storage = await PostgresStorage.connect(url, { schema })
    const twenty = new Twenty(storage, () => {})
    await twenty.each('idle', 1)
    await pushToEach(storage)
    await twenty.each('success', 1)
    const connections = await server.query(`SELECT pid FROM pg_stat_activity WHERE datname = $1`, [
      new URL(url).pathname.slice(1),
    ])
    assert.ok(connections.length <= 4, `${connections.length} connections`)
    await twenty.stop()
    await storage.close()
    const listens = server.log().match(new RegExp(`\\bLISTEN "${schema}"`, 'g'))
    assert.equal(listens?.length, 1)
  },
)

test(
  'while queries of the caller hold all the rest of a pool, no lease is lost',
  { skip, timeout: 60_000 },
  async () => {
    assert.ok(server !== undefined)
    const [url, schema] = [await server.database(), freshSchema()]
    const pool = new Pool({ connectionString: url, max: 4 })
    const clock = new TestClock()
    const start = clock.now()
    const storage = await PostgresStorage.connect(pool, {
      schema,
      clock,
      clockOffset: () => clock.now() - start,
      lease: '30s',
      callTimeout: '1h',
    })
    const gate = Promise.withResolvers<void>()
    const twenty = new Twenty(storage, () => gate.promise)
    await twenty.each('idle', 1)
    const other = await PostgresStorage.connect(url, { schema })
    await pushToEach(other)
    await other.close()
    // The clock stands still: only who listens has heard of it.
    await twenty.each('engage', 1)
    // Whatever the workers call meanwhile waits behind these.
    const queries = Array.from({ length: 3 }, () => pool.query('SELECT pg_sleep(600)'))
    const outcomes = Promise.allSettled(queries)
    for (let round = 0; round < 5; round += 1) {
      const beaten = twenty.oneMore('heartbeat').then(() => true)
      // A third of the lease. Time goes on when every one of them has beaten: an answer that comes later is worth nothing.
      await clock.advance('10s')
      // Who was still busy when time moved has set its timer by the time that was there then, and beats a little later.
      while (!(await Promise.race([beaten, sleep(systemClock, 500).then(() => false)]))) {
        await clock.advance('1s')
      }
    }
    gate.resolve()
    const ended = twenty.each('success', 1)
    assert.ok(!twenty.events.some(({ type }) => type === 'success'))
    await server.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity
      WHERE query = 'SELECT pg_sleep(600)' AND pid <> pg_backend_pid()`)
    await ended
    assert.ok((await outcomes).every(({ status }) => status === 'rejected'))
    await twenty.stop()
    const told = twenty.events.filter(({ type }) => type === 'lost' || type === 'error')
    assert.deepEqual(told, [])
    assert.deepEqual(warnings, [])
    await storage.close()
    await pool.end()
  },
)

test(
  'any number of storages hear the errors of one pool by one listener, which is gone with the last of them',
  { skip },
  async () => {
    assert.ok(server !== undefined)
    const pool = new Pool({ connectionString: server.url, max: 2 })
    const schema = freshSchema()
    const storages: PostgresStorage[] = []
    for (let count = 0; count < 12; count += 1) {
      storages.push(await PostgresStorage.connect(pool, { schema }))
    }
    assert.equal(pool.listenerCount('error'), 1)
    const [last, ...others] = storages
    for (const storage of others) await storage.close()
    assert.equal(pool.listenerCount('error'), 1)
    await last?.close()
    assert.equal(pool.listenerCount('error'), 0)
    await pool.end()
  },
)
