// A logger of its own for every run, and a line for what becomes of each task.
const write = (line: string): void => {
  const { level, msg, attempt, to, err } = JSON.parse(line) as Line
  const parts = [
    pino.levels.labels[level],
    msg,
    to,
    attempt && `(attempt ${attempt})`,
    err?.message,
  ]
  console.log(parts.filter((part) => part !== undefined).join(' '))
}

interface Line {
  readonly level: number
  readonly msg: string
  readonly attempt?: number
  readonly to?: string
  readonly err?: { readonly message: string }
}

// #region example
import { constant, json, logging, MemoryStorage, WorkerBuilder } from '@apalis/core'
import { pino } from 'pino'

const logger = pino({ level: 'debug' }, { write }) // or stdout, where nothing is given
const emails = new MemoryStorage().queue('emails', {
  args: json<{ to: string }>(),
  result: json<string>(),
  backoff: constant('10ms'),
})

const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .with(logging(logger, { levels: { started: 'silent' } }))
  .build(({ to }, { attempt, data: { log } }) => {
    log.info({ to }, 'sending to') // with worker, queue, taskId and attempt
    if (attempt === 1) throw new Error('the server is down')
    return `sent to ${to}`
  })
// #endregion

const id = await emails.push({ to: 'ada@example.com' })
await worker.runUntil(emails.result(id))

// Output:
// info worker: start
// info sending to ada@example.com (attempt 1)
// warn task failed (attempt 1) the server is down
// info sending to ada@example.com (attempt 2)
// info task done (attempt 2)
// info worker: stop
