import { type StoreWorker, systemClock, type TaskStore } from '@apalis/core'

/** The store of `SqliteStorage`, with what it has beyond what every store has. */
export type RawStore = TaskStore & Required<Pick<TaskStore, 'exchange' | 'close'>>

/** What is needed of the sources of `@apalis/sqlite`. */
interface Sources {
  readonly openDatabase: (deps: {
    readonly path: string
    readonly synchronous: 'full' | 'normal'
    readonly connect: unknown
    readonly now: number
    readonly lockTimeoutMs: number
  }) => Promise<unknown>
  readonly connectNodeSqlite: unknown
  readonly SqliteStore: new (deps: {
    readonly database: unknown
    readonly clock: typeof systemClock
    readonly lockTimeoutMs: number
  }) => RawStore
}

/** The incarnation that claims, with a lease that outlasts every measurement. */
export const rawWorker: StoreWorker = {
  id: 'raw',
  queue: 'bench',
  name: 'raw',
  leaseMs: 3_600_000,
  layers: [],
}

/** Opens the store behind a `SqliteStorage` without anything of core around it, and registers {@link rawWorker}. */
export async function openRawStore(
  path: string,
  synchronous: 'full' | 'normal',
): Promise<RawStore> {
  const { openDatabase, connectNodeSqlite: connect, SqliteStore } = await load()
  const lockTimeoutMs = 10_000
  const now = systemClock.now()
  const database = await openDatabase({ path, synchronous, connect, now, lockTimeoutMs })
  const store = new SqliteStore({ database, clock: systemClock, lockTimeoutMs })
  await store.register(rawWorker)
  return store
}

/** By its path: users have no use for it, so the package does not export it. */
async function load(): Promise<Sources> {
  const modules = ['open-database', 'client', 'sqlite-store'].map(
    (name) => import(new URL(`../../../packages/sqlite/src/${name}.ts`, import.meta.url).href),
  )
  // What these three export is written above.
  return Object.assign({}, ...(await Promise.all(modules))) as Sources
}
