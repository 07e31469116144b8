import Database from 'better-sqlite3'
import { better, defineQueue, type Queue } from 'plainjob'

/** Without a line on the console for each job, which is what plainjob has by default. */
export const silent = { error() {}, warn() {}, info() {}, debug() {} } as const

/** A queue of plainjob as its README sets it up for Node. It sets WAL and `synchronous = NORMAL` itself. */
export function openPlainjob(path: string): Queue {
  return defineQueue({ connection: better(new Database(path)), logger: silent })
}
