import type { Changed, Retried, Row, RowChanges, StoredError } from '@apalis/core'
import { checkOrder } from './insert.ts'
import { type Session, tellOf } from './session.ts'

/** See `TaskStore.update`. */
export async function updateRow(
  session: Session,
  queue: string,
  id: string,
  changes: RowChanges,
): Promise<Changed> {
  const { runAt, priority, metadata } = changes
  checkOrder('update', {
    id,
    ...(priority !== undefined && { priority }),
    ...(runAt !== undefined && { runAt }),
  })
  // As an insert sends it.
  const sent = { ...changes, ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }) }
  const values = [queue, id, JSON.stringify(sent), session.offset]
  const status = await session.calls.call('update', 'update_1', values)
  // An empty text is no row's.
  if (typeof status === 'string') return unchanged(status)
  tellOf(session, queue, { due: true })
  return { changed: true }
}

/** See `TaskStore.kill`. */
export async function killRow(
  session: Session,
  queue: string,
  id: string,
  error: StoredError,
): Promise<boolean> {
  const values = [queue, id, JSON.stringify(error), session.offset]
  const killed = await session.calls.json('kill', 'kill_1', values)
  if (killed === undefined) return false
  const { running, awaited } = killed as {
    readonly running: boolean
    readonly awaited: readonly string[] | null
  }
  tellOf(session, queue, { awaited })
  if (running) session.tell([{ type: 'killed', queue, ids: [id] }])
  return true
}

/** See `TaskStore.take`. */
export async function takeRow(session: Session, queue: string, id: string): Promise<boolean> {
  const taken = await session.calls.json('take', 'take_1', [queue, id, session.offset])
  tellOf(session, queue, { due: taken === true })
  return taken === true
}

/** See `TaskStore.retry`. */
export async function retryRow(
  session: Session,
  queue: string,
  id: string,
  { resetAttempts }: { readonly resetAttempts: boolean },
): Promise<Retried> {
  const values = [queue, id, resetAttempts, session.offset]
  const refused = await session.calls.json('retry', 'retry_1', values)
  if (refused === undefined) {
    tellOf(session, queue, { due: true })
    return { changed: true }
  }
  const { status, holder } = refused as {
    readonly status?: string | null
    readonly holder?: string
  }
  return holder === undefined ? unchanged(status) : { changed: false, holder }
}

/** See `TaskStore.remove`. */
export async function removeRow(session: Session, queue: string, id: string): Promise<Changed> {
  const answer = await session.calls.json('remove', 'remove_1', [queue, id, session.offset])
  const { removed, status, awaited } = answer as {
    readonly removed?: true
    readonly status?: string | null
    readonly awaited?: readonly string[] | null
  }
  if (removed !== true) return unchanged(status)
  tellOf(session, queue, { awaited })
  return { changed: true }
}

/** See `TaskStore.pause`. */
export async function pauseQueue(
  { calls, tell }: Session,
  queue: string,
  on: boolean,
): Promise<void> {
  const switched = await calls.json(on ? 'pause' : 'resume', 'pause_1', [queue, on])
  if (switched === true) tell([{ type: on ? 'paused' : 'resumed', queue }])
}

function unchanged(status: string | null | undefined): Changed {
  if (status === null || status === undefined || status === '') return { changed: false }
  // What `status_1` says of any row.
  return { changed: false, status: status as Row['status'] }
}
