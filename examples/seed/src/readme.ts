const smtp = { send: async (to: string, subject: string) => `sent "${subject}" to ${to}` }

// #region example
import { concurrency, exponential, json, MemoryStorage, timeout, WorkerBuilder } from '@apalis/core'
import { z } from 'zod'

const Email = z.object({ to: z.email(), subject: z.string().default('Hello') })
const options = { args: json(Email), result: json<string>(), backoff: exponential('1s') }
const emails = new MemoryStorage().queue('emails', options)

const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .data({ smtp })
  .layer(concurrency(50))
  .layer(timeout('30s'))
  .build(({ to, subject }, { data }) => data.smtp.send(to, subject))

const id = await emails.push({ to: 'ada@example.com' })
await worker.runUntil(emails.result(id).then(console.log))
// #endregion

// Output:
// sent "Hello" to ada@example.com
