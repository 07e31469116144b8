import { TestClock } from '@apalis/core/testing'
import { Calls } from '../../src/calls.ts'
import type { Link } from '../../src/link.ts'
import { migrate } from '../../src/migrate.ts'
import { PostgresStore } from '../../src/postgres-store.ts'
import { migrations } from '../../src/schema.ts'

/** When the time of tests begins, for every schema. */
const START = new TestClock().now()

/** The schema as it is, but for its time: that of the server stands still, and what a statement adds is all that moves it. */
const stopped = migrations.map((step) => ({
  ...step,
  sql: step.sql.replaceAll('clock_timestamp()', `to_timestamp(${START / 1_000})`),
}))

/** What else a store may be given. */
export interface StoreOptions {
  /** As `PostgresStorageOptions` has it. @default 'auto' */
  readonly listen?: boolean | 'auto'
}

/** A store of its own over a schema, as a storage makes it, whose time is that of the clock. */
export async function openStore(
  link: Link,
  schema: string,
  clock: TestClock,
  { listen = 'auto' }: StoreOptions = {},
): Promise<PostgresStore> {
  const timeoutMs = 9_000
  await migrate({ link, schema, timeoutMs, migrate: true, migrations: stopped })
  const calls = new Calls({ link, schema, timeoutMs })
  const clockOffset = (): number => clock.now() - START
  return new PostgresStore({ link, calls, schema, timeoutMs, listen, clockOffset })
}

/**
 * Lets the end of a store go on beside the test: it takes real time, in which the time of a simulation stands still. The
 * answer waits for it.
 */
export function endBeside(store: PostgresStore): () => Promise<void> {
  const close = store.close.bind(store)
  store.close = async () => void close()
  return close
}
