import { execFile } from 'node:child_process'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Pool } from 'pg'
import { type Harness, TestClock } from '@apalis/core/testing'
import type { PostgresTransaction } from '../../src/client.ts'
import { PoolLink } from '../../src/pool-link.ts'
import { Schemas } from './schemas.ts'
import { endBeside, openStore, type StoreOptions } from './stores.ts'

/** A way to a server, which ends with the tests of a file. */
export interface Way extends AsyncDisposable, StoreOptions {
  readonly url: string
}

/** What is made of a {@link Way}. */
export type UrlHarness = () => Promise<Harness<PostgresTransaction, never>>

interface Shared {
  readonly way: Way
  /** Of the harness itself. */
  readonly pool: Pool
  readonly schemas: Schemas
}

/**
 * What the suites run on: stores with pools of their own, each as if in a process of its own, in a schema that nobody else
 * uses. The way is opened once, for all tests of a file.
 */
export function urlHarness(open: () => Promise<Way>): UrlHarness {
  let shared: Promise<Shared> | undefined
  after(async () => {
    const opened = await shared
    await opened?.pool.end()
    await opened?.way[Symbol.asyncDispose]()
  })
  return async () => {
    shared ??= share(await open())
    return harness(await shared)
  }
}

async function share(way: Way): Promise<Shared> {
  const pool = new Pool({ connectionString: way.url, max: 4 })
  // It may be told of the server's end after its own.
  pool.on('error', () => {})
  return { way, pool, schemas: new Schemas((sql) => pool.query(sql)) }
}

function harness({ way, pool, schemas }: Shared): Harness<PostgresTransaction, never> {
  const schema = schemas.take()
  const clock = new TestClock()
  const closings: (() => Promise<void>)[] = []
  return {
    clock,
    async open() {
      const own = new Pool({ connectionString: way.url, max: 4 })
      const store = await openStore(new PoolLink(own, () => own.end()), schema, clock, way)
      closings.push(endBeside(store))
      return store
    },
    advance: (ms) => clock.advance(ms),
    async begin() {
      const tx = await pool.connect()
      await tx.query('BEGIN')
      const end = async (how: string): Promise<void> => {
        await tx.query(how)
        tx.release()
      }
      return { tx, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
    },
    async corrupt(queue, id, args) {
      await pool.query(
        `UPDATE "${schema}".task SET args = $1
          WHERE id = $2 AND queue = (SELECT id FROM "${schema}".queue WHERE name = $3)`,
        [args, id, queue],
      )
    },
    async runProducer(queue) {
      const program = fileURLToPath(import.meta.resolve('./producer.ts'))
      const args = ['--conditions=@apalis/source', program, way.url, schema, queue]
      await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
    },
    async close() {
      await Promise.all(closings.map((close) => close()))
      await schemas.giveBack(schema)
    },
  }
}
