import { execFile } from 'node:child_process'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Pool } from 'pg'
import { type Harness, TestClock } from '@apalis/core/testing'
import type { PostgresTransaction } from '../../src/client.ts'
import { PoolLink } from '../../src/pool-link.ts'
import { Schemas } from './schemas.ts'
import { findPostgres, type PostgresServer } from './server.ts'
import { openStore } from './stores.ts'

interface Shared {
  readonly server: PostgresServer
  /** Of the harness itself. */
  readonly pool: Pool
  readonly schemas: Schemas
}

const found = findPostgres()

/** Why there is no server to run on. */
export const missing: string | undefined = found.missing

let shared: Promise<Shared> | undefined

after(async () => {
  const opened = await shared
  await opened?.pool.end()
  await opened?.server[Symbol.asyncDispose]()
})

/** One server for all tests of a file. */
async function open(): Promise<Shared> {
  if (found.open === undefined) throw new Error(found.missing)
  const server = await found.open()
  const pool = new Pool({ connectionString: server.url, max: 4 })
  // It may be told of the server's end after its own.
  pool.on('error', () => {})
  return { server, pool, schemas: new Schemas((sql) => pool.query(sql)) }
}

/** What the suites run on: stores with pools of their own, each as if in a process of its own, in a schema that nobody else uses. */
export async function serverHarness(): Promise<Harness<PostgresTransaction, never>> {
  shared ??= open()
  const { server, pool, schemas } = await shared
  const schema = schemas.take()
  const clock = new TestClock()
  const closings: (() => Promise<void>)[] = []
  return {
    clock,
    async open() {
      const own = new Pool({ connectionString: server.url, max: 4 })
      const store = await openStore(new PoolLink(own, () => own.end()), schema, clock)
      const close = store.close.bind(store)
      closings.push(close)
      // It goes on beside the test: connections take real time to end, and in a simulation that stands still.
      store.close = async () => void close()
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
      const args = ['--conditions=@apalis/source', program, server.url, schema, queue]
      await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
    },
    async close() {
      await Promise.all(closings.map((close) => close()))
      await schemas.giveBack(schema)
    },
  }
}
