// Sentry: a span for each run, and an issue for each task that is killed.
// #region example
import { type EventListener, MemoryStorage, use, WorkerBuilder } from '@apalis/core'
import * as Sentry from '@sentry/node'

// Leave `transport` out: it is where this example looks at what would be sent.
Sentry.init({ dsn: 'https://key@sentry.invalid/1', tracesSampleRate: 1, transport })

/** A trace for each run; what comes out of it as an error marks its span. */
const spans = use(function sentry(request, next) {
  const span = { name: `process ${request.worker.queue}`, op: 'queue.process' }
  return Sentry.startNewTrace(() => Sentry.startSpan(span, () => next()))
})

/** What will not run again deserves somebody's attention. */
const issues: EventListener = (event) => {
  if (event.type !== 'error' || !('task' in event) || event.outcome !== 'killed') return
  const { taskId, attempt } = event.task.parts
  const task = { id: taskId, attempt: attempt.current }
  Sentry.captureException(event.error, { tags: { queue: event.queue }, contexts: { task } })
}

const emails = new MemoryStorage().queue<{ to: string }>('emails', { attempts: 1 })
const worker = new WorkerBuilder('mailer').backend(emails).layer(spans).onEvent(issues).build(send)
// #endregion

function send({ to }: { to: string }): void {
  if (to === '') throw new Error('no address')
}

/** Stands for Sentry's server: takes down what is sent. */
function transport(
  options: Parameters<typeof Sentry.createTransport>[0],
): ReturnType<typeof Sentry.createTransport> {
  return Sentry.createTransport(options, async ({ body }) => {
    for (const line of String(body).split('\n')) {
      const { exception, tags, contexts, items = [] } = JSON.parse(line) as SentItem
      for (const { value } of exception?.values ?? []) {
        sent.push(`issue: ${value} ${JSON.stringify({ tags, task: contexts?.['task'] })}`)
      }
      for (const { name, status } of items) sent.push(`span: ${name}, ${status}`)
    }
    return { statusCode: 200 }
  })
}

interface SentItem {
  readonly exception?: { readonly values: readonly { readonly value: string }[] }
  readonly tags?: object
  readonly contexts?: Readonly<Record<string, object>>
  readonly items?: readonly { readonly name: string; readonly status: string }[]
}

const sent: string[] = []
await emails.push({ to: 'ada@example.com' }, { id: 'good' })
await emails.push({ to: '' }, { id: 'bad' })
let ended = 0
worker.listen(({ type }) => {
  if (type === 'success' || type === 'error') ended += 1
  if (ended === 2) worker.stop()
})
await worker.run()
await Sentry.close()
for (const line of sent.toSorted()) console.log(line)

// Output:
// issue: no address {"tags":{"queue":"emails"},"task":{"id":"bad","attempt":1}}
// span: process emails, error
// span: process emails, ok
