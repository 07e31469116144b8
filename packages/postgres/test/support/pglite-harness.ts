import { PGlite } from '@electric-sql/pglite'
import { type Harness, TestClock } from '@apalis/core/testing'
import { InProcessLink } from '../../src/client-link.ts'
import type { PostgresTransaction } from '../../src/client.ts'
import type { Link } from '../../src/link.ts'
import type { LinkedHarness } from './faulty-harness.ts'
import { Schemas } from './schemas.ts'
import { endBeside, openStore } from './stores.ts'

interface Shared {
  readonly database: PGlite
  readonly schemas: Schemas
}

let shared: Promise<Shared> | undefined

/** PostgreSQL in this process, for all tests of a file: it takes a second to come up. */
async function open(): Promise<Shared> {
  const database = await PGlite.create()
  return { database, schemas: new Schemas((sql) => database.query(sql)) }
}

/** What the suites run on: stores over one PGlite, each as if in a process of its own, in a schema that nobody else uses. */
export async function pgliteHarness(): Promise<
  Harness<PostgresTransaction, 'transactions' | 'concurrent-transactions' | 'producer'> &
    LinkedHarness
> {
  shared ??= open()
  const { database, schemas } = await shared
  const schema = schemas.take()
  const clock = new TestClock()
  const closings: (() => Promise<void>)[] = []
  return {
    clock,
    async open(between: (link: Link) => Link = (link) => link) {
      const store = await openStore(between(new InProcessLink(database)), schema, clock)
      closings.push(endBeside(store))
      return store
    },
    advance: (ms) => clock.advance(ms),
    async corrupt(queue, id, args) {
      await database.query(
        `UPDATE "${schema}".task SET args = $1
          WHERE id = $2 AND queue = (SELECT id FROM "${schema}".queue WHERE name = $3)`,
        [args, id, queue],
      )
    },
    async close() {
      await Promise.all(closings.map((close) => close()))
      await schemas.giveBack(schema)
    },
  }
}
