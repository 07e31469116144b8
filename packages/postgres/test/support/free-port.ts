import { randomInt } from 'node:crypto'

/** Below the ports that the system gives to connections: while a server is down nobody takes its port. */
const FIRST = 20_000
const BEYOND = 32_000
const TRIES = 20

/** Starts a server on a port that nobody has. `taken` is in the error when somebody does. */
export async function freePort<Started>(
  start: (port: number) => Promise<Started>,
  taken: string,
): Promise<{ readonly port: number; readonly started: Started }> {
  for (let tries = 1; ; tries += 1) {
    const port = randomInt(FIRST, BEYOND)
    try {
      return { port, started: await start(port) }
    } catch (error) {
      if (tries === TRIES || !String(error).includes(taken)) throw error
    }
  }
}
