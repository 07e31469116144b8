import type { StoreSignal } from '@apalis/core'
import type { QueueRef } from './queues.ts'
import type { Statements } from './statements.ts'

/** What of a queue is counted. */
export type Counted = 'pending' | 'running' | 'done' | 'failed' | 'killed' | 'future'

type Tally = Record<Counted | 'signs', number>

interface Told extends StoreSignal {
  readonly ids?: string[]
}

const NOTHING: Readonly<Tally> = {
  pending: 0,
  running: 0,
  done: 0,
  failed: 0,
  killed: 0,
  future: 0,
  signs: 0,
}

/** So many signals of single tasks are kept for the other processes. */
const SIGNALS_KEPT = 10_000
/** They are trimmed so often, in signals. */
const TRIM_EVERY = 256

const COUNT = `UPDATE apalis_queue
  SET pending = pending + ?, running = running + ?, done = done + ?, failed = failed + ?,
    killed = killed + ?, future = future + ?, signs = signs + ?
  WHERE id = ?`
const SIGNAL = 'INSERT INTO apalis_signal (type, queue, id) VALUES (?, ?, ?)'
const TRIM = 'DELETE FROM apalis_signal WHERE seq <= ?'

/** What a call changes beside its rows: the counts of queues, and what it has to tell. */
export class Effects {
  readonly #tallies = new Map<QueueRef, Tally>()
  #signals: Told[] = []

  /** `by` more of these. */
  count(queue: QueueRef, what: Counted, by: number): void {
    this.#tally(queue)[what] += by
  }

  /** The rows of the queue were counted anew: what was counted here before is in that. */
  recounted(queue: QueueRef): void {
    const { signs } = this.#tally(queue)
    this.#tallies.set(queue, { ...NOTHING, signs })
  }

  /** Something may have become due. */
  due(queue: QueueRef): void {
    this.#tally(queue).signs += 1
    this.#tell('due', queue)
  }

  /** The queue was paused or resumed. */
  paused(queue: QueueRef, on: boolean): void {
    this.#tell(on ? 'paused' : 'resumed', queue)
  }

  /** An awaited task has ended or is gone, or a running one was killed. */
  task(type: 'settled' | 'killed', queue: QueueRef, id: string): void {
    this.#tell(type, queue, id)
  }

  /** Writes what the other processes need; gives back what there is to tell in this one. */
  write(sql: Statements): readonly StoreSignal[] {
    for (const [queue, tally] of this.#tallies) {
      const { pending, running, done, failed, killed, future, signs } = tally
      sql.run(COUNT, pending, running, done, failed, killed, future, signs, queue.id)
      for (const { type, queue: name, ids = [] } of this.#signals) {
        if (name === queue.name) writeSignals(sql, type, queue, ids)
      }
    }
    this.#tallies.clear()
    const told = this.#signals
    this.#signals = []
    return told
  }

  /** The call failed: none of it has happened. */
  clear(): void {
    this.#tallies.clear()
    this.#signals = []
  }

  #tally(queue: QueueRef): Tally {
    let tally = this.#tallies.get(queue)
    if (tally === undefined) {
      tally = { ...NOTHING }
      this.#tallies.set(queue, tally)
    }
    return tally
  }

  #tell(type: StoreSignal['type'], queue: QueueRef, id?: string): void {
    // So that `write` comes to the queue.
    this.#tally(queue)
    const told = this.#signals.find((one) => one.type === type && one.queue === queue.name)
    if (told === undefined) {
      this.#signals.push({ type, queue: queue.name, ...(id !== undefined && { ids: [id] }) })
    } else if (id !== undefined) {
      told.ids?.push(id)
    }
  }
}

function writeSignals(
  sql: Statements,
  type: StoreSignal['type'],
  queue: QueueRef,
  ids: readonly string[],
): void {
  for (const id of ids) {
    const seq = sql.insert(SIGNAL, type, queue.id, id)
    if (seq % TRIM_EVERY === 0) sql.run(TRIM, seq - SIGNALS_KEPT)
  }
}
