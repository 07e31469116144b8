// Opens a server, with a PgBouncer before it where there is one, prints which processes that took as JSON, and stays.
import { findPgbouncer } from './pgbouncer.ts'
import { findOwnPostgres } from './server.ts'

/** What it prints. */
export interface Held {
  readonly url: string
  readonly folder: string
  readonly pids: readonly number[]
}

const server = await findOwnPostgres().open?.()
if (server === undefined) throw new Error('there is no PostgreSQL here')
const pgbouncer = await findPgbouncer().open?.(server)
const pids = [server.pids(), pgbouncer?.pids].flatMap((each) => Object.values(each ?? {}))
const held: Held = { url: server.url, folder: server.folder, pids }
console.log(JSON.stringify(held))
// Nothing else keeps it: what it started does not.
setInterval(() => {}, 60_000)
