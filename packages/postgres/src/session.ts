import type { StoreSignal } from '@apalis/core'
import type { Calls } from './calls.ts'

/** What a call works with. */
export interface Session {
  readonly calls: Calls
  /** What its statements add to the server's time, in milliseconds. */
  readonly offset: number
  /** Tells what was committed. */
  readonly tell: (signals: readonly StoreSignal[]) => void
}

/** Tells that something may be due in the queue, and of ended tasks that somebody waits for. */
export function tellOf(
  { tell }: Session,
  queue: string,
  {
    due = false,
    awaited,
  }: { readonly due?: boolean; readonly awaited?: readonly string[] | null | undefined },
): void {
  const signals: StoreSignal[] = []
  if (due) signals.push({ type: 'due', queue })
  if (awaited !== null && awaited !== undefined) {
    signals.push({ type: 'settled', queue, ids: awaited })
  }
  if (signals.length > 0) tell(signals)
}
