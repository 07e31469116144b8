import type { Undecodable } from '../backend/backend.ts'
import type { ListTasks } from '../storage/capabilities.ts'
import type { Status } from '../task/status.ts'
import type { QueueContext, Task } from '../task/task.ts'

/** A task as it is listed. */
export type Listed<Args> = Task<Args, QueueContext> | Undecodable<QueueContext>

/** A queue, as far as looking at its tasks needs one: that of every storage. */
export interface ListedQueue<out Args> extends ListTasks<Args, QueueContext> {
  readonly name: string
}

/** Some of a queue's tasks. */
export interface TaskPage<Args> {
  readonly tasks: readonly Listed<Args>[]
  /** There are no more. */
  readonly last: boolean
}

const PAGE = 1_000
/** More is not looked at. */
const MOST_PAGES = 100

/** The tasks of a queue, oldest first, at most 100,000. `status`: only those of it. */
export async function* pagesOf<Args>(
  queue: ListTasks<Args, QueueContext>,
  status?: Status,
): AsyncGenerator<TaskPage<Args>, undefined> {
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const tasks = await queue.listTasks({ page, pageSize: PAGE, ...(status && { status }) })
    const last = tasks.length < PAGE
    yield { tasks, last }
    if (last) return
  }
}
