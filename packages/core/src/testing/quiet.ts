import { turn } from '../time/clock.ts'

/** Turns in a row without work in flight after which the process counts as quiet. */
const QUIET_TURNS = 8
/** So long a piece of file work may keep a settle waiting; a read that never ends must not. */
const MOST_TURNS = 100_000

/** Settles when everything in motion has come to rest: promises, turns of the event loop, file work. */
export async function quiet(): Promise<void> {
  for (let turns = 0, still = 0; still < QUIET_TURNS && turns < MOST_TURNS; turns += 1) {
    await turn()
    still = fileWorkInFlight() ? 0 : still + 1
  }
}

/** Turns of the event loop do not wait for the threads that read and write files. */
function fileWorkInFlight(): boolean {
  return process
    .getActiveResourcesInfo()
    .some((resource) => resource.startsWith('FSReq') || resource === 'CloseReq')
}
