import { findPgbouncer } from './pgbouncer.ts'
import { findPostgres } from './server.ts'
import { type UrlHarness, urlHarness } from './url-harness.ts'

const postgres = findPostgres()
const pgbouncer = findPgbouncer()

/** Why there is no PgBouncer to run behind. */
export const missing: string | undefined = postgres.missing ?? pgbouncer.missing

/** Stores between which and the server a PgBouncer in transaction mode stands. */
export const pooledHarness: UrlHarness = urlHarness(async () => {
  if (postgres.open === undefined || pgbouncer.open === undefined) throw new Error(missing)
  const server = await postgres.open()
  const before = await pgbouncer.open(server)
  return {
    url: before.through(server.url),
    // What `auto` comes to here, after a second for each store.
    listen: false,
    async [Symbol.asyncDispose]() {
      await before[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
})
