import { randomFillSync } from 'node:crypto'
import { OptionError, text } from '../internal/validate.ts'

declare const brand: unique symbol

/** A task's id: text of 1 to 255 bytes, unique within its queue. apalis's `TaskId`. */
export type TaskId = string & { readonly [brand]: 'TaskId' }

/** `value` as a {@link TaskId}; throws an `OptionError` when it is empty, too long or cannot be stored. */
export function taskId(value: string): TaskId {
  return text('task id', value) as TaskId
}

/** Several of them. One text is refused: it would be taken for as many ids as it has characters. */
export function taskIds(option: string, values: Iterable<string>): TaskId[] {
  if (typeof values === 'string' || typeof values?.[Symbol.iterator] !== 'function') {
    throw new OptionError(option, values, 'several ids, such as an array of them')
  }
  return Array.from(values, taskId)
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** The last instant of a ULID, in the year 10889. */
const LATEST_MS = 2 ** 48 - 1
/** The last six characters count upwards, from a random start in their lower half. */
const COUNTER_BITS = 30

/** The characters of the next id. Made from bytes, an id is one flat text: a concatenation would be flattened, at a price, by whoever keeps it in a map. */
const characters = Buffer.alloc(26)
const alphabet = Buffer.from(ALPHABET, 'latin1')
let lastMs = -1
let counter = 0

/** What an id takes of chance, in bytes. */
const RANDOM_BYTES = 14
/** Drawn for many ids at a time: asking for it takes longer than all the rest. */
const random = Buffer.alloc(RANDOM_BYTES * 128)
let drawn = random.length

/** A new ULID: 26 characters, by the wall clock in `now`, growing monotonically within the process. */
export function newTaskId(now: number): TaskId {
  // A clock before 1970, or of no number, counts as one that stands still.
  const ms = Math.min(Math.max(Math.floor(now) || 0, 0), LATEST_MS)
  const usedUp = counter === 2 ** COUNTER_BITS - 1
  if (ms > lastMs || usedUp) {
    lastMs = Math.max(ms, usedUp ? lastMs + 1 : 0)
    if (drawn === random.length) {
      randomFillSync(random)
      drawn = 0
    }
    write(lastMs, 0, 10)
    for (let at = 10; at < 20; at += 1) write(random.readUInt8(drawn + at - 6) & 31, at, 1)
    counter = random.readUInt32LE(drawn) >>> (33 - COUNTER_BITS)
    drawn += RANDOM_BYTES
    write(counter, 20, 6)
  } else {
    counter += 1
    // Nearly always the last character is all that changes.
    if (counter % 32 === 0) write(counter, 20, 6)
    else write(counter, 25, 1)
  }
  return characters.toString('latin1') as TaskId
}

function write(value: number, from: number, length: number): void {
  let rest = value
  for (let at = from + length - 1; at >= from; at -= 1) {
    characters[at] = alphabet[rest % 32] ?? 0
    rest = Math.floor(rest / 32)
  }
}
