// Tasks that go on, that wait, that change, and that are killed.
// #region example
import { concurrency, filter, MemoryStorage, WorkerBuilder } from '@apalis/core'

interface Email {
  readonly tenant: string
  readonly to: string
}
const emails = new MemoryStorage().queue<Email>('emails')

const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .layer(concurrency(1))
  .layer(
    filter(async ({ task: { args } }) => {
      if (await isClosed(args.tenant)) return { kill: `${args.tenant} is closed` }
      if (isBusy(args.tenant)) return { release: '5m', reason: 'one after the other' }
      if (args.to.endsWith('.test')) return { args: { ...args, to: 'sink@example.com' } }
      return true
    }),
  )
  .build(({ to }) => console.log('sending to', to))
// #endregion

async function isClosed(tenant: string): Promise<boolean> {
  return tenant === 'globex'
}

function isBusy(tenant: string): boolean {
  return tenant === 'initech'
}

await emails.push({ tenant: 'acme', to: 'ada@example.com' })
await emails.push({ tenant: 'acme', to: 'ada@example.test' })
await emails.push({ tenant: 'globex', to: 'grace@example.com' })
await emails.push({ tenant: 'initech', to: 'barbara@example.com' })

const ends: string[] = []
worker.listen((event) => {
  if (event.type === 'success') ends.push(`done: ${event.task.args?.to}`)
  else if (event.type === 'error' && 'task' in event && event.error instanceof Error) {
    ends.push(`${event.outcome}: ${event.error.message}`)
  }
  if (ends.length === 4) worker.stop()
})
await worker.run()
for (const end of ends) console.log(end)

// Output:
// sending to ada@example.com
// sending to sink@example.com
// done: ada@example.com
// done: ada@example.test
// killed: globex is closed
// released: one after the other
