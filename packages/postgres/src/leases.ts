import {
  LeaseLostError,
  type Rescued,
  type RescueOptions,
  type StoreBeat,
  type StoreWorker,
  type WorkerRef,
} from '@apalis/core'
import { toRow } from './rows.ts'
import { type Session, tellOf } from './session.ts'

/** A lease must not wait for a connection that others use. */
const URGENT = { urgent: true } as const

/** See `TaskStore.register`. */
export async function registerWorker(
  { calls, offset }: Session,
  { queue, id, name, layers, leaseMs }: StoreWorker,
): Promise<void> {
  const values = [queue, id, name, JSON.stringify(layers), Math.ceil(leaseMs), offset]
  await calls.call('register', 'register_1', values, URGENT)
}

interface SentBeat {
  readonly leaseMs: number
  readonly paused: boolean
  readonly held: readonly (readonly [id: string, epoch: number])[]
  readonly dueIn: number | null
  readonly rescueIn: number | null
}

/** See `TaskStore.beat`. */
export async function beat(
  { calls, offset }: Session,
  { queue, id }: WorkerRef,
): Promise<StoreBeat> {
  const answer = await calls.json('beat', 'beat_1', [queue, id, offset], URGENT)
  if (answer === undefined) throw new LeaseLostError(id)
  const { leaseMs, paused, held, dueIn, rescueIn } = answer as SentBeat
  return {
    leaseMs,
    held: held.map(([task, epoch]) => ({ id: task, epoch })),
    paused,
    ...(dueIn !== null && { dueIn }),
    ...(rescueIn !== null && { rescueIn }),
  }
}

/** See `TaskStore.rescue`. */
export async function rescueRows(
  session: Session,
  queue: string,
  limit: number,
  { maxRescues, poison }: RescueOptions,
): Promise<readonly Rescued[]> {
  const values = [queue, limit, maxRescues, JSON.stringify(poison), session.offset]
  const { rows, awaited } = (await session.calls.json('rescue', 'rescue_1', values)) as {
    /** Those of each worker. */
    readonly rows: readonly (readonly unknown[])[]
    readonly awaited: readonly string[] | null
  }
  const rescued = rows.flat().map((sent): Rescued => {
    const row = toRow(sent)
    return { row, outcome: row.status === 'killed' ? 'killed' : 'pending' }
  })
  const due = rescued.some(({ outcome }) => outcome === 'pending')
  tellOf(session, queue, { due, awaited })
  return rescued
}

/** See `TaskStore.leave`. */
export async function leave(session: Session, { queue, id }: WorkerRef): Promise<void> {
  const released = await session.calls.json('leave', 'leave_1', [queue, id, session.offset])
  tellOf(session, queue, { due: released === true })
}
