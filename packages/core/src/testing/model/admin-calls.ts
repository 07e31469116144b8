import type {
  Changed,
  Counts,
  ListFilter,
  PurgeOptions,
  QueueState,
  Retried,
  Row,
  RowChanges,
  WorkerRow,
} from '../../storage/task-store.ts'
import type { Invariant } from '../invariant-error.ts'
import { brokenByRows } from './breaches.ts'
import { all, type Call, type Difference, killing, seconds, several } from './call.ts'
import { isFinished } from './reference-task.ts'

/** See `TaskStore.kill`. */
export function killCall(queue: string, id: string): Call<boolean> {
  return {
    text: `kill ${id} of ${queue}`,
    changes: queue,
    ask: (store) => store.kill(queue, id, killing),
    expect: (reference) => reference.kill(queue, id, killing),
    breaks: (difference) => brokenByChange(difference, queue, id),
    became: (answer) => [String(answer)],
  }
}

/** See `TaskStore.take`. */
export function takeCall(queue: string, id: string): Call<boolean> {
  return {
    text: `take ${id} of ${queue}`,
    changes: queue,
    ask: (store) => store.take(queue, id),
    expect: (reference) => reference.take(queue, id),
    breaks: (difference) => brokenByChange(difference, queue, id),
    became: (answer) => [String(answer)],
  }
}

/** See `TaskStore.update`. */
export function updateCall(queue: string, id: string, changes: RowChanges): Call<Changed> {
  return {
    text: `update ${id} of ${queue}: ${Object.keys(changes).join(', ')}`,
    changes: queue,
    ask: (store) => store.update(queue, id, changes),
    expect: (reference) => reference.update(queue, id, changes),
    breaks: (difference) => brokenByChange(difference, queue, id),
    became: changedText,
  }
}

/** See `TaskStore.retry`. */
export function retryCall(queue: string, id: string, resetAttempts: boolean): Call<Retried> {
  return {
    text: `retry ${id} of ${queue}${resetAttempts ? ' from the first attempt' : ''}`,
    changes: queue,
    ask: (store) => store.retry(queue, id, { resetAttempts }),
    expect: (reference) => reference.retry(queue, id, resetAttempts),
    breaks({ expected, actual, ...others }) {
      if ('holder' in expected || 'holder' in actual) return 'uniqueness'
      return brokenByChange({ expected, actual, ...others }, queue, id)
    },
    became: (answer) =>
      'holder' in answer ? [`${answer.holder} holds its key`] : changedText(answer),
  }
}

/** See `TaskStore.remove`. */
export function removeCall(queue: string, id: string): Call<Changed> {
  return {
    text: `remove ${id} of ${queue}`,
    changes: queue,
    ask: (store) => store.remove(queue, id),
    expect: (reference) => reference.remove(queue, id),
    breaks: ({ actual }) => (actual.changed ? 'nothing lost' : 'contract'),
    became: changedText,
  }
}

/** See `TaskStore.pause`. */
export function pauseCall(queue: string, on: boolean): Call<void> {
  return {
    text: `${on ? 'pause' : 'resume'} ${queue}`,
    changes: queue,
    ask: (store) => store.pause(queue, on),
    expect: (reference) => reference.pause(queue, on),
    breaks: () => 'contract',
  }
}

/** How many a purge forgot, and what is left. */
interface Purged {
  readonly count: number
  readonly left: readonly string[]
}

/** See `TaskStore.purge`. */
export function purgeCall(queue: string, options: PurgeOptions): Call<Purged> {
  const { status, olderThanMs, limit } = options
  return {
    text: `purge up to ${limit} of ${queue}, ${status} for ${seconds(olderThanMs)}`,
    changes: queue,
    ask: async (store) => {
      const count = await store.purge(queue, options)
      return { count, left: idsOf(await store.list(queue, all)) }
    },
    expect(reference, { left }) {
      const gone = idsOf(reference.rows(queue)).filter((id) => !left.includes(id))
      const count = reference.purge(queue, options, gone)
      return { count, left: idsOf(reference.rows(queue)) }
    },
    breaks: ({ expected, actual }) =>
      expected.left.some((id) => !actual.left.includes(id)) ? 'nothing lost' : 'contract',
    became: ({ count }) => [`${count} forgotten`],
  }
}

/** See `TaskStore.list`. */
export function listCall(queue: string, filter: ListFilter = all): Call<readonly Row[]> {
  return {
    text: `list ${filter.status ?? 'all'} of ${queue}`,
    ask: (store) => store.list(queue, filter),
    expect: (reference) => reference.list(queue, filter),
    breaks: (difference) => brokenByReading(difference, queue),
  }
}

/** See `TaskStore.get`. */
export function getCall(queue: string, ids: readonly string[]): Call<readonly (Row | undefined)[]> {
  return {
    text: `get ${several(ids)} of ${queue}`,
    ask: (store) => store.get(queue, ids),
    expect: (reference) => reference.get(queue, ids),
    breaks: (difference) => brokenByReading(difference, queue),
  }
}

/** See `TaskStore.watch`. */
export function watchCall(
  queue: string,
  ids: readonly string[],
): Call<readonly (Row | undefined)[]> {
  return {
    text: `watch ${several(ids)} of ${queue}`,
    changes: queue,
    ask: (store) => store.watch(queue, ids),
    expect: (reference) => reference.get(queue, ids),
    breaks: (difference) => brokenByReading(difference, queue),
  }
}

/** See `TaskStore.count`. */
export function countCall(queue: string): Call<Counts> {
  return {
    text: `count ${queue}`,
    ask: (store) => store.count(queue),
    expect: (reference) => reference.count(queue),
    breaks: () => 'contract',
  }
}

/** See `TaskStore.queues`. */
export function queuesCall(): Call<readonly QueueState[]> {
  return {
    text: 'list the queues',
    ask: async (store) => byName(await store.queues()),
    expect: (reference) => byName(reference.queues()),
    breaks: () => 'contract',
  }
}

/** See `TaskStore.workers`. */
export function workersCall(queue?: string): Call<readonly WorkerRow[]> {
  return {
    text: `list the workers${queue === undefined ? '' : ` of ${queue}`}`,
    ask: async (store) => byId(await store.workers(queue)),
    expect: (reference) => byId(reference.workers(queue)),
    breaks: () => 'contract',
  }
}

function brokenByChange(
  { expected, actual, before }: Difference<Changed | boolean>,
  queue: string,
  id: string,
): Invariant {
  const row = before.find(queue, id)?.row
  if (row !== undefined && isFinished(row) && expected !== actual) return 'terminal rows stay'
  return 'contract'
}

function brokenByReading(
  { expected, actual, before, drift }: Difference<readonly (Row | undefined)[]>,
  queue: string,
): Invariant {
  const rows = actual.filter((row) => row !== undefined)
  const missing = expected.some((row) => row && rows.every(({ id }) => id !== row.id))
  if (missing) return 'nothing lost'
  const wanted = Object.assign(before.snapshot(), {
    tasks: before.tasks.filter(({ row }) => expected.some((one) => one?.id === row.id)),
  })
  return brokenByRows(queue, wanted, rows, drift)[0] ?? 'contract'
}

function changedText(changed: Changed): readonly string[] {
  return [changed.changed ? 'changed' : `not changed, it is ${changed.status ?? 'unknown'}`]
}

function idsOf(rows: readonly Row[]): readonly string[] {
  return rows.map(({ id }) => id)
}

function byName(queues: readonly QueueState[]): readonly QueueState[] {
  return queues.toSorted((one, other) => (one.name < other.name ? -1 : 1))
}

function byId(workers: readonly WorkerRow[]): readonly WorkerRow[] {
  return workers.toSorted((one, other) => (one.id < other.id ? -1 : 1))
}
