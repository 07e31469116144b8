import type { PostgresPool } from './client.ts'
import { ignore } from './pool-listener.ts'

/** How many links use a pool: one listener is enough for all of them, and more than ten would make Node warn. */
const links = new WeakMap<PostgresPool, number>()

/** What befalls an idle connection must not end the process. Gives back what stops listening. */
export function ignoreErrors(pool: PostgresPool): () => void {
  const count = links.get(pool) ?? 0
  links.set(pool, count + 1)
  if (count === 0) pool.on('error', ignore)
  return () => {
    const left = (links.get(pool) ?? 1) - 1
    links.set(pool, left)
    if (left === 0) pool.removeListener('error', ignore)
  }
}
