import { Calls } from '../../src/calls.ts'
import type { Link } from '../../src/link.ts'
import { migrate } from '../../src/migrate.ts'
import { PostgresStore } from '../../src/postgres-store.ts'

/** A store of its own over a schema, as a storage makes it. */
export async function openStore(
  link: Link,
  schema: string,
  clockOffset: () => number = () => 0,
): Promise<PostgresStore> {
  const timeoutMs = 9_000
  await migrate({ link, schema, timeoutMs, migrate: true })
  const calls = new Calls({ link, schema, timeoutMs })
  return new PostgresStore({ link, calls, schema, timeoutMs, clockOffset })
}
