/** A server for all contenders of a suite. */
export interface BenchServer extends AsyncDisposable {
  readonly url: string
  /** As the server numbers itself: 180004 is 18.4. */
  readonly version: number
}

/** What is needed of the tests' way to a server. */
interface Support {
  readonly findPostgres: () => {
    readonly open?: (options: {
      readonly durable: boolean
      readonly settings: Readonly<Record<string, string>>
    }) => Promise<BenchServer>
    readonly missing?: string
  }
}

/** The server that was given, or one of its own: on a disk, every commit synced, and otherwise as PostgreSQL comes. */
export async function startServer(): Promise<BenchServer> {
  const path = '../../../packages/postgres/test/support/server.ts'
  // What it exports is written above.
  const { findPostgres } = (await import(new URL(path, import.meta.url).href)) as Support
  const { open, missing } = findPostgres()
  if (open === undefined) throw new Error(missing)
  // No run is as long as that: whether it comes by in the middle of one would be chance.
  return open({ durable: true, settings: { autovacuum_naptime: '10min' } })
}
