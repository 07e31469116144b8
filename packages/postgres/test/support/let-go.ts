import type { PoolClient } from 'pg'

/**
 * Holds the locks of a transaction until so many wait, for them or for each other, and ends it. Within the server, so that
 * nobody waits for longer than it must.
 */
export function letGo(client: PoolClient, commit = true, waiting = 1): Promise<unknown> {
  return client.query(`DO $$ BEGIN
    FOR n IN 1 .. 2000 LOOP
      EXIT WHEN (SELECT count(*) FROM pg_locks WHERE NOT granted AND cardinality(pg_blocking_pids(pid)) > 0
        AND (pg_backend_pid() = ANY (pg_blocking_pids(pid))
          OR EXISTS (SELECT FROM unnest(pg_blocking_pids(pid)) b WHERE pg_backend_pid() = ANY (pg_blocking_pids(b))))) >= ${waiting};
      PERFORM pg_sleep(0.002);
    END LOOP;
  END $$${commit ? '; COMMIT' : ''}`)
}
