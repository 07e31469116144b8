// Works on a queue until SIGTERM: `node working.ts JSON`. It notes, in the file that all processes of a test share, each start
// of a handler (`run ID EPOCH ATTEMPT INCARNATION`) before anything else of it happens, each outcome that is durable
// (`success`, `failed`, `killed`, `released`), each run that was lost (`lost ID EPOCH REASON`), each error that a user hears of (`error`), and that it ended by itself (`ended`), which nothing
// but the end of its only connection is a reason for.
import { concurrency, sleep, systemClock, type Task, WorkerBuilder } from '@apalis/core'
import { connectAs, type Connection } from './connection.ts'
import { openLog } from './log.ts'

/** What it is started with. */
export interface Working extends Connection {
  readonly log: string
  readonly queue: string
  /** How many handlers run at a time. */
  readonly limit: number
}

/** What a task is pushed with. */
export interface Args {
  /** How long its handler takes, in milliseconds; 0: it does not wait at all. */
  readonly ms: number
  /** So many of its runs fail first. */
  readonly failures?: number
}

const working = JSON.parse(process.argv[2] ?? '') as Working
const { note, close } = openLog(working.log)
const { storage, end } = await connectAs(working)
const queue = storage.queue<Args>(working.queue, {
  attempts: 100,
  backoff: () => 5,
  // By chance a task may be there when one process after the other is killed.
  maxRescues: 100,
})
const worker = new WorkerBuilder('worker')
  .backend(queue)
  .layer(concurrency(working.limit))
  .onEvent((event, { id: incarnation }) => {
    switch (event.type) {
      case 'success':
        return note('success', event.task.parts.taskId, epochOf(event.task))
      case 'lost':
        return note('lost', event.task.parts.taskId, epochOf(event.task), event.reason)
      case 'error':
        if ('operation' in event) {
          return note('error', event.operation, 0, event.error)
        }
        return note(event.outcome, event.task.parts.taskId, epochOf(event.task))
      case 'idle':
      case 'start':
      case 'heartbeat':
      case 'dropped':
        return note(event.type, incarnation)
      default:
        return undefined
    }
  })
  .build(async ({ ms, failures = 0 }, { task, worker: { id: incarnation } }) => {
    const { taskId, attempt } = task.parts
    const epoch = epochOf(task)
    note('run', taskId, epoch, attempt.current, incarnation)
    if (ms > 0) await sleep(systemClock, ms)
    if (attempt.current <= failures) throw new Error('not yet')
  })
process.once('SIGTERM', () => worker.stop())
note('ready', 'worker')
try {
  await worker.run()
} catch (error) {
  note('ended', 'worker', 0, error)
  process.exitCode = 1
}
note('conflicts', 'worker', storage.conflicts)
await storage.close()
await end()
close()

function epochOf({ parts }: Pick<Task<unknown>, 'parts'>): number {
  // Every task of a queue has it.
  return (parts.context as { readonly epoch: number }).epoch
}
