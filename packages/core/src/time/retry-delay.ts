import { type Clock, random } from './clock.ts'

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000

/** How long to wait after `failures` failed calls in a row before the next: doubling, with jitter, at most 5 s. */
export function retryDelayMs(failures: number, clock: Clock): number {
  const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10))
  return Math.round(longest * (0.5 + random(clock) / 2))
}
