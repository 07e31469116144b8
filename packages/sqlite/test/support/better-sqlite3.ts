import type { SqliteConnect } from '../../src/client.ts'

/** How to connect by better-sqlite3, or why that cannot be: it has binaries for common platforms only. */
export async function connectBetterSqlite3(): Promise<{
  readonly connect?: SqliteConnect
  readonly missing?: string
}> {
  try {
    const { default: Database } = await import('better-sqlite3')
    new Database(':memory:').close()
    return { connect: (path) => new Database(path) }
  } catch (error) {
    return { missing: `better-sqlite3 cannot be used here: ${String(error)}` }
  }
}
