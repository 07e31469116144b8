import { BackendError, isBackendError, UnknownOutcomeError } from '../../errors/backend-errors.ts'
import { type TaskId, taskId } from '../../task/task-id.ts'
import type { Inserter } from '../lanes.ts'
import type { NewRow } from '../task-store.ts'

/**
 * Stores rows, all or none; gives back their ids in order, or nothing where they are those of the rows. What it throws
 * leaves open whether they are stored, unless it is a `BackendError` that says so.
 */
export type StoreRows = (rows: readonly NewRow[]) => Promise<readonly string[] | void>

/** What pushes go through to a sink of somebody else's; `onStored` is told when something is, or may be, in it. */
export function sinkInserter(
  name: string,
  store: StoreRows | undefined,
  onStored: () => void,
): Inserter {
  const all = async (rows: readonly NewRow[], onlyNew: boolean): Promise<readonly TaskId[]> => {
    if (store === undefined) throw refused(`backend "${name}" has no sink`)
    if (onlyNew)
      throw refused(
        `the sink of backend "${name}" does not know what it has: onDuplicate is 'throw'`,
      )
    const ids = rows.map(({ id }) => id)
    const given = await stored(store, rows, ids).finally(onStored)
    if (given.length === ids.length) return given.map(taskId)
    throw new UnknownOutcomeError(ids, {
      cause: new TypeError(`its sink gave ${given.length} ids for ${ids.length} tasks`),
    })
  }
  return {
    all,
    async one(row, onlyNew) {
      const [id] = await all([row], onlyNew)
      return id ?? taskId(row.id)
    },
  }
}

async function stored(
  store: StoreRows,
  rows: readonly NewRow[],
  ids: readonly string[],
): Promise<readonly string[]> {
  try {
    return (await store(rows)) ?? ids
  } catch (error) {
    if (isBackendError(error) && error.applied === 'no') throw error
    throw new UnknownOutcomeError(ids, { cause: error })
  }
}

function refused(message: string): BackendError {
  return new BackendError('push', message, { transient: false, applied: 'no' })
}
