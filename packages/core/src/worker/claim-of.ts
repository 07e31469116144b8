import type { Revoked } from '../backend/backend.ts'
import type { Parts, QueueContext } from '../task/task.ts'

/** Whether a task was handed out under the claim that is revoked, and not under a later one. */
export function isOfClaim(
  { taskId, context }: Parts,
  { id, epoch }: Pick<Revoked, 'id' | 'epoch'>,
): boolean {
  if (taskId !== id) return false
  // Only queues count their claims.
  return epoch === undefined || (context as Partial<QueueContext> | null)?.epoch === epoch
}
