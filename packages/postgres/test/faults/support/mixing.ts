// Does everything at once that a user may do to the tasks of a queue, until SIGTERM: `node mixing.ts JSON`. It notes each call
// (`call WHAT`), and each that failed for another reason than the state of the task (`failure WHAT 0 ERROR`).
import {
  isDuplicateTaskError,
  isTaskStateError,
  isUnknownOutcomeError,
  TaskBuilder,
} from '@apalis/core'
import { connectAs, type Connection } from './connection.ts'
import { openLog } from './log.ts'
import type { Args } from './working.ts'

/** What it is started with. */
export interface Mixing extends Connection {
  readonly log: string
  readonly queue: string
  /** How many calls are under way at a time. */
  readonly atOnce: number
}

/** Of each bulk push: enough that two are in each other's way. */
const KEYS = 30
/** So many ids are remembered. */
const KNOWN = 2_000

const mixing = JSON.parse(process.argv[2] ?? '') as Mixing
const { note, close } = openLog(mixing.log)
const { storage, end } = await connectAs(mixing)
const queue = storage.queue<Args>(mixing.queue, { attempts: 3, backoff: () => 5 })
const known: string[] = []
let stopping = false
process.once('SIGTERM', () => {
  stopping = true
})
note('ready', 'mixing')

const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  'push with keys': async () =>
    remember(await queue.pushAll(shuffled(KEYS).map((key) => keyed(key)))),
  'push with keys for a while': async () =>
    remember(await queue.pushAll(shuffled(KEYS).map((key) => keyed(key, 50)))),
  'push ids again': async () => {
    const ids = [...new Set(Array.from({ length: 20 }, some))]
    remember(await queue.pushBulk(ids.map(args), { ids }))
  },
  push: async () => remember([await queue.push(args())]),
  'push of the future': async () => remember(await queue.pushBulk([args(), args()], { delay: 30 })),
  kill: () => queue.kill(some(), new Error('not wanted')),
  retry: () => queue.retry(some()),
  remove: () => queue.remove(some()),
  update: () => queue.update(some(), { priority: chance(3), delay: chance(40) }),
  reschedule: () => queue.reschedule(some(), chance(40)),
  take: () => queue.resumeById(some()),
  'purge of the done': () => queue.vacuum({ status: 'done', olderThan: 200 }),
  'purge of the killed': () => queue.vacuum({ status: 'killed', olderThan: 200 }),
  result: () => queue.checkStatus([some(), some()]),
  metrics: () => queue.metrics(),
}
const names = Object.keys(calls)
await Promise.all(Array.from({ length: mixing.atOnce }, mix))
note('conflicts', 'mixing', storage.conflicts)
await storage.close()
await end()
close()

async function mix(): Promise<void> {
  while (!stopping) {
    const name = names[chance(names.length)] ?? 'push'
    const what = name.replaceAll(' ', '-')
    try {
      await calls[name]?.()
      note('call', what)
    } catch (error) {
      if (isTaskStateError(error) || isDuplicateTaskError(error)) note('call', what)
      else note('failure', what, 0, error, isUnknownOutcomeError(error) ? error.cause : '')
    }
  }
}

function args(): Args {
  return { ms: chance(5), failures: chance(10) === 0 ? 3 : 0 }
}

function keyed(key: number, forMs?: number) {
  const builder = new TaskBuilder(args())
  return builder.unique(`key ${key}`, forMs === undefined ? {} : { for: forMs }).build()
}

function remember(ids: readonly string[]): void {
  known.push(...ids)
  if (known.length > KNOWN) known.splice(0, known.length - KNOWN / 2)
}

/** One of those that were pushed last, or nobody's. */
function some(): string {
  return known[known.length - 1 - chance(Math.min(known.length, 300))] ?? `nobody ${chance(10)}`
}

function chance(below: number): number {
  return Math.floor(Math.random() * below)
}

function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index)
  return numbers.sort(() => Math.random() - 0.5)
}
