/** Where a task is in its life. `failed` runs again at its `runAt`; `killed` never runs again by itself: the dead letter. */
export type Status = 'pending' | 'queued' | 'running' | 'done' | 'failed' | 'killed'

/** Every {@link Status}, in the order of a task's life. */
export const statuses: readonly Status[] = [
  'pending',
  'queued',
  'running',
  'done',
  'failed',
  'killed',
]

/** Whether a task of this status has ended: `done` or `killed`. */
export function isFinished(status: Status): status is 'done' | 'killed' {
  return status === 'done' || status === 'killed'
}
