import { PGlite } from '@electric-sql/pglite'
import { type Harness, TestClock } from '@apalis/core/testing'
import { InProcessLink } from '../../src/client-link.ts'
import type { PostgresTransaction } from '../../src/client.ts'
import { freshSchema } from './schemas.ts'
import { openStore } from './stores.ts'

let shared: Promise<PGlite> | undefined

/** PostgreSQL in this process, for all tests of a file: it takes a second to come up. */
export function pglite(): Promise<PGlite> {
  shared ??= PGlite.create()
  return shared
}

/** What the suites run on: stores over one PGlite, each as if in a process of its own, in a schema that goes afterwards. */
export async function pgliteHarness(): Promise<
  Harness<PostgresTransaction, 'transactions' | 'concurrent-transactions' | 'producer'>
> {
  const database = await pglite()
  const schema = freshSchema()
  const clock = new TestClock(Date.now())
  return {
    clock,
    open: () => openStore(new InProcessLink(database), schema, () => Math.floor(clock.monotonic())),
    advance: (ms) => clock.advance(ms),
    async corrupt(queue, id, args) {
      await database.query(
        `UPDATE "${schema}".task SET args = $1
          WHERE id = $2 AND queue = (SELECT id FROM "${schema}".queue WHERE name = $3)`,
        [args, id, queue],
      )
    },
    async close() {
      await database.exec(
        `SET client_min_messages = error; DROP SCHEMA IF EXISTS "${schema}" CASCADE`,
      )
    },
  }
}
