import { CLAIM_MANY, NEXT_DUE, NEXT_ROWS, PROMOTE } from './claim.ts'
import { ANY_READY, HELD, HOLDERS } from './leases.ts'
import { ODD } from './odd-rows.ts'
import { PURGEABLE } from './purge.ts'
import { SELECT_ROWS } from './rows.ts'
import { SETTLE_DONE } from './settle.ts'

/** Statements that together name every table, column and index: a schema in which all of them compile is ours. */
export const probes: readonly string[] = [
  ANY_READY,
  CLAIM_MANY,
  HELD,
  HOLDERS,
  NEXT_DUE,
  NEXT_ROWS,
  ODD,
  PROMOTE,
  PURGEABLE,
  SELECT_ROWS,
  SETTLE_DONE,
  `SELECT id, name, paused, switches, pending, running, done, failed, killed, future, signs
    FROM apalis_queue`,
  `SELECT id, queue, incarnation, name, layers, lease_ms, started_at, beat_at, lease_end
    FROM apalis_worker`,
  'SELECT key_until FROM apalis_task INDEXED BY apalis_task_key WHERE unique_key = ? AND key_held = 1',
  'SELECT seq FROM apalis_task INDEXED BY apalis_task_id WHERE queue = ? AND id = ?',
  'SELECT seq, type, queue, id FROM apalis_signal',
]
