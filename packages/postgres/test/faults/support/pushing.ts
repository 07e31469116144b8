// Pushes to a queue, and ends at SIGTERM: `node pushing.ts JSON`. It notes each id that was given back (`pushed ID`). What nobody
// knows of (`unknown ID`) it pushes again with its id until somebody does, and what was refused (`refused`) anew.
import { isUnknownOutcomeError, sleep, systemClock } from '@apalis/core'
import { connectAs, type Connection } from './connection.ts'
import { openLog } from './log.ts'
import type { Args } from './working.ts'

/** What it is started with. */
export interface Pushing extends Connection {
  readonly log: string
  readonly queue: string
  /** How many pushes are under way at a time; every fourth is one of ten tasks. */
  readonly atOnce: number
  /** How long each of them waits after a push, in milliseconds. */
  readonly pauseMs: number
  /** It pushes so many tasks at most, and then waits for its end: a signal that meets a process that ends by itself kills it. */
  readonly most: number
  readonly args: Args
}

/** Longer than any test. */
const HOUR_MS = 3_600_000

const pushing = JSON.parse(process.argv[2] ?? '') as Pushing
const { note, close } = openLog(pushing.log)
const { storage, end } = await connectAs(pushing)
const queue = storage.queue<Args>(pushing.queue, { attempts: 100, backoff: () => 5 })
let stopping = false
let left = pushing.most
const stopped = new Promise<void>((resolve) => {
  const alive = systemClock.setTimer(() => {}, HOUR_MS)
  process.once('SIGTERM', () => {
    stopping = true
    alive.cancel()
    resolve()
  })
})
note('ready', 'pushing')
await Promise.all(
  Array.from({ length: pushing.atOnce }, (_, index) => push(index % 4 === 3 ? 10 : 1)),
)
await stopped
note('conflicts', 'pushing', storage.conflicts)
await storage.close()
await end()
close()

async function push(count: number): Promise<void> {
  let known: readonly string[] | undefined
  while (known !== undefined || (!stopping && left > 0)) {
    if (known === undefined) left -= count
    try {
      const ids = await store(count, known)
      for (const id of ids) note('pushed', id)
      known = undefined
      if (pushing.pauseMs > 0) await sleep(systemClock, pushing.pauseMs)
    } catch (error) {
      if (isUnknownOutcomeError(error)) {
        known = error.ids
        for (const id of known) note('unknown', id)
      } else {
        // With the ids of what was unknown before that still is, whatever comes of another try.
        if (known === undefined) left += count
        note('refused', 'push', 0, error)
      }
      await sleep(systemClock, 20)
    }
  }
}

async function store(
  count: number,
  ids: readonly string[] | undefined,
): Promise<readonly string[]> {
  const { args } = pushing
  const failures = Math.random() < 0.05 ? 1 : 0
  const one = { ms: Math.round(args.ms * Math.random() * 2), failures }
  if (count > 1) {
    const all = Array.from({ length: count }, () => one)
    return queue.pushBulk(all, ids && { ids })
  }
  const [id] = ids ?? []
  return [await queue.push(one, id === undefined ? {} : { id })]
}
