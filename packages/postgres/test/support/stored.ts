/** Runs one statement on the side of the storage. */
export type Query = (
  sql: string,
  values?: unknown[],
) => Promise<{ readonly rows: readonly unknown[] }>

/** What is stored of the tasks of a queue, in order, without what every task has of its own. Instants are told from the push. */
export async function storedRows(
  query: Query,
  schema: string,
  queue: string,
): Promise<readonly unknown[]> {
  const { rows } = await query(
    `SELECT t.args::jsonb AS args, t.attempts, t.priority, t.status, t.lane, t.key_held, t.timeout_ms, t.unique_key,
        t.metadata, t.attempt, t.epoch, t.due_at IS NOT NULL AS waits,
        CASE WHEN t.run_at < 4000000000000 THEN t.run_at - t.created_at ELSE t.run_at END AS due,
        t.key_until - t.created_at AS key_for
      FROM "${schema}".task t JOIN "${schema}".queue q ON q.id = t.queue WHERE q.name = $1 ORDER BY t.seq`,
    [queue],
  )
  return rows
}
