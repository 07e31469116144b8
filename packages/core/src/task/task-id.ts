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
let lastMs = -1
let prefix = ''
let counter = 0
let tail = ''

/** A new ULID: 26 characters, by the wall clock in `now`, growing monotonically within the process. */
export function newTaskId(now: number): TaskId {
  if (now > lastMs || counter > 0x3fff_ffff) {
    lastMs = Math.max(now, lastMs + (counter > 0x3fff_ffff ? 1 : 0))
    prefix = encode(lastMs, 10)
    const random = randomBytes(10)
    tail = Array.from(random, (byte) => ALPHABET.charAt(byte & 31)).join('')
    // The last six characters count upwards, from a random start in their lower half.
    counter = random.readUInt32LE(0) & 0x1fff_ffff
  } else {
    counter += 1
  }
  return (prefix + tail + encode(counter, 6)) as TaskId
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
