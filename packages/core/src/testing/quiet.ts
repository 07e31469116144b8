import { turn } from '../time/clock.ts'

/** Turns in a row without work in flight after which the process counts as quiet. */
const QUIET_TURNS = 8
/** So long a piece of work may keep a settle waiting; a read that never ends must not. */
const MOST_TURNS = 100_000

/** How many of these have asked for a turn and not had it. */
let asking = 0

/** Settles when everything in motion has come to rest: promises, turns of the event loop, file work. */
export async function quiet(): Promise<void> {
  for (let turns = 0, still = 0; still < QUIET_TURNS && turns < MOST_TURNS; turns += 1) {
    asking += 1
    await turn()
    asking -= 1
    still = workInFlight() ? 0 : still + 1
  }
}

/**
 * Turns of the event loop do not wait for the threads that read and write files; and whoever asked for a turn of its own,
 * as what shares a transaction with its neighbours does, has not come to rest.
 */
function workInFlight(): boolean {
  let turns = 0
  for (const resource of process.getActiveResourcesInfo()) {
    if (resource.startsWith('FSReq') || resource === 'CloseReq') return true
    if (resource === 'Immediate') turns += 1
  }
  return turns > asking
}
