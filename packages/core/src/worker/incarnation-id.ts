import { randomUUID } from 'node:crypto'
import { type Clock, random } from '../time/clock.ts'

/** The id of a worker's next incarnation: no two are the same, unless the clock's own chance repeats itself. */
export function newIncarnation(clock: Clock): string {
  if (clock.random === undefined) return randomUUID()
  const part = (): string =>
    Math.floor(random(clock) * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return `${part()}-${part()}`
}
