import { randomBytes } from 'node:crypto'
import { text } from '../internal/validate.ts'

declare const brand: unique symbol

/** A task's id: text of 1 to 255 bytes, unique within its queue. apalis's `TaskId`. */
export type TaskId = string & { readonly [brand]: 'TaskId' }

/** `value` as a {@link TaskId}; throws an `OptionError` when it is empty, too long or cannot be stored. */
export function taskId(value: string): TaskId {
  return text('task id', value) as TaskId
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** The last instant of a ULID, in the year 10889. */
const LATEST_MS = 2 ** 48 - 1
/** The last six characters count upwards, from a random start in their lower half. */
const COUNTER_BITS = 30

let lastMs = -1
let prefix = ''
let counter = 0

/** A new ULID: 26 characters, by the wall clock in `now`, growing monotonically within the process. */
export function newTaskId(now: number): TaskId {
  // A clock before 1970, or of no number, counts as one that stands still.
  const ms = Math.min(Math.max(Math.floor(now) || 0, 0), LATEST_MS)
  const usedUp = counter === 2 ** COUNTER_BITS - 1
  if (ms > lastMs || usedUp) {
    lastMs = Math.max(ms, usedUp ? lastMs + 1 : 0)
    const random = randomBytes(14)
    const tail = Array.from(random.subarray(4), (byte) => ALPHABET.charAt(byte & 31)).join('')
    prefix = encode(lastMs, 10) + tail
    counter = random.readUInt32LE(0) >>> (33 - COUNTER_BITS)
  } else {
    counter += 1
  }
  return (prefix + encode(counter, 6)) as TaskId
}

function encode(value: number, length: number): string {
  let rest = value
  let encoded = ''
  for (let index = 0; index < length; index += 1) {
    encoded = ALPHABET.charAt(rest % 32) + encoded
    rest = Math.floor(rest / 32)
  }
  return encoded
}
