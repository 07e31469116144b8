import { type Clock, systemClock } from '@apalis/core'
import { connectNodeSqlite, type SqliteConnect } from '../../src/client.ts'
import type { Synchronous } from '../../src/database.ts'
import { openDatabase } from '../../src/open-database.ts'
import { SqliteStore } from '../../src/sqlite-store.ts'

/** How a test opens a store. */
export interface OpenStore {
  readonly clock?: Clock
  readonly connect?: SqliteConnect
  readonly synchronous?: Synchronous
  readonly lockTimeoutMs?: number
}

/** Opens a store without the storage around it. */
export async function openStore(
  path: string,
  {
    clock = systemClock,
    connect = connectNodeSqlite,
    synchronous = 'full',
    lockTimeoutMs = 9_000,
  }: OpenStore = {},
): Promise<SqliteStore> {
  const now = clock.now()
  const database = await openDatabase({ path, connect, synchronous, now, lockTimeoutMs })
  return new SqliteStore({ database, clock, lockTimeoutMs })
}
