import { channels } from '../service/diagnostics.ts'
import type { Rescued } from './task-store.ts'

/** Tells whoever listens of tasks that were taken from the dead. */
export function publishRescued(queue: string, rescued: readonly Rescued[]): void {
  if (rescued.length === 0 || !channels.rescue.hasSubscribers) return
  const tasks = rescued.map(({ row: { id, rescues }, outcome }) => ({ id, rescues, outcome }))
  channels.rescue.publish({ queue, tasks })
}
