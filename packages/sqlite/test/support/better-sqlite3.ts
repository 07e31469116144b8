import type BetterSqlite3 from 'better-sqlite3'
import { createRequire } from 'node:module'
import type { SqliteConnect } from '../../src/client.ts'

/** It has a folder and a lockfile of its own, beside these tests: see its package.json. */
const require = createRequire(new URL('../client/package.json', import.meta.url))

/** How to connect by better-sqlite3, or why that cannot be: it is installed on demand, and has binaries for common platforms only. */
export function connectBetterSqlite3(): {
  readonly connect?: SqliteConnect
  readonly missing?: string
} {
  try {
    // What `require` of that name gives.
    const Database = require('better-sqlite3') as typeof BetterSqlite3
    new Database(':memory:').close()
    return { connect: (path) => new Database(path) }
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    const remedy = 'run `npm ci --prefix packages/sqlite/test/client`'
    return { missing: `better-sqlite3 cannot be used here: ${remedy} (${firstLine(error)})` }
  }
}

function firstLine(error: unknown): string {
  return String(error).split('\n', 1).join('')
}
